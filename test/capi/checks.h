// Checks for test programs in C and the plug-ins they load, and the record of which functions of
// the C ABI were called how. A library, so that a process has one record whoever calls.

#ifndef TRIDENT_TEST_CAPI_CHECKS_H_
#define TRIDENT_TEST_CAPI_CHECKS_H_

#include <stdbool.h>

#include "triton/core/tritonserver.h"

// Each counts as passed or failed; a failed one prints where and what. OK and FAILS record the
// function that `call` begins with as called well and badly.
#define CHECK(condition) Check((condition), __FILE__, __LINE__, #condition)
// `call` returns no error.
#define OK(call) CheckOk((call), __FILE__, __LINE__, #call)
// `call` returns an error of this code whose message contains `text`.
#define FAILS(call, code, text) CheckFails((call), (code), (text), __FILE__, __LINE__, #call)
// `call` is refused because its argument `name` is null.
#define LACKS(name, call) FAILS(call, TRITONSERVER_ERROR_INVALID_ARG, "argument '" name "' is null")

// The value of `call`, which OK and FAILS can't judge; recorded as with good or bad arguments.
#define GOOD(call) (RecordCall(#call, true), (call))
#define BAD(call) (RecordCall(#call, false), (call))

bool Check(bool passed, const char* file, int line, const char* what);
bool CheckOk(TRITONSERVER_Error* error, const char* file, int line, const char* what);
bool CheckFails(TRITONSERVER_Error* error, TRITONSERVER_Error_Code code, const char* text,
                const char* file, int line, const char* what);
void RecordCall(const char* call, bool good);

// Checks that every function the headers declare was called with good and with bad arguments, and
// that no other was.
void CheckEveryFunctionWasCalled(void);
// Prints "N passed, N failed"; 0 when nothing failed.
int Summary(void);

#endif
