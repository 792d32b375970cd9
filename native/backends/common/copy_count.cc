#include "backends/common/copy_count.h"

#define TRIDENT_EXTENSION_WEAK
#include "backends/common/status.h"
#include "trident/extension.h"

namespace trident::backend {

void CopyCount::Report(TRITONBACKEND_ModelInstance* instance) const {
  if (count == 0 || TRITONBACKEND_TridentModelInstanceReportCopies == nullptr) return;
  Status ignored(TRITONBACKEND_TridentModelInstanceReportCopies(instance, count, bytes));
}

}  // namespace trident::backend
