// The page that says what becomes of every field, against the table of fields.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "config/schema.h"

namespace trident {
namespace {

void AddFields(const MessageSchema& message, std::set<std::string>* fields) {
  for (const FieldSchema& field : message.fields) {
    // An entry of a map has no name of its own: its value is what counts.
    if (field.label == FieldLabel::kMap) {
      const FieldSchema* value = field.message->Find("value");
      if (value->message != nullptr) AddFields(*value->message, fields);
    } else if (field.message != nullptr) {
      AddFields(*field.message, fields);
    }
    fields->insert(std::string(message.name) + "." + std::string(field.name));
  }
}

struct DocumentedField {
  std::string name, outcome, why;
};

std::vector<DocumentedField> ReadPage() {
  const auto root = std::filesystem::path(__FILE__).parent_path() / "../../..";
  std::ifstream page(root / "docs" / "model-config.md");
  EXPECT_TRUE(page.is_open());
  const std::regex row(R"(\| `([\w.]+)` \| (.*?) \| (.*) \|)");
  std::vector<DocumentedField> fields;
  std::smatch match;
  for (std::string line; std::getline(page, line);) {
    if (std::regex_match(line, match, row)) fields.push_back({match[1], match[2], match[3]});
  }
  return fields;
}

TEST(DocumentationTest, EveryFieldIsOnThePageOnceAndNoOther) {
  std::set<std::string> missing;
  AddFields(ModelConfigSchema(), &missing);
  EXPECT_GT(missing.size(), 150u);
  const std::set<std::string> known = missing;
  for (const DocumentedField& field : ReadPage()) {
    if (known.count(field.name) == 0) {
      ADD_FAILURE() << field.name << " is no field";
    } else if (missing.erase(field.name) == 0) {
      ADD_FAILURE() << field.name << " has two rows";
    }
  }
  for (const std::string& field : missing) ADD_FAILURE() << field << " has no row";
}

TEST(DocumentationTest, EveryRowSaysWhatHappensAndWhyIfNothingDoes) {
  for (const DocumentedField& field : ReadPage()) {
    const bool honoured = field.outcome == "honoured";
    EXPECT_TRUE(honoured || field.outcome == "refused" || field.outcome == "no effect")
        << field.name << ": " << field.outcome;
    EXPECT_TRUE(honoured || field.why.find_first_not_of(' ') != std::string::npos)
        << field.name << " has no reason";
  }
}

}  // namespace
}  // namespace trident
