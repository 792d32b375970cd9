// Every datatype through every backend comes back bit for bit, however it was sent.

#include <random>
#include <tuple>

#include "echo.h"

namespace trident::contract {
namespace {

class Datatypes : public testing::TestWithParam<std::tuple<const char*, int>> {
 protected:
  void SetUp() override { LoadEcho(&server_, "echo", backend(), datatype()); }

  static const char* backend() { return std::get<0>(GetParam()); }
  static TRITONSERVER_DataType datatype() {
    return static_cast<TRITONSERVER_DataType>(std::get<1>(GetParam()));
  }

  // Any bits that the datatype can have, NaNs of all kinds included.
  std::string RandomElements(size_t count) {
    if (datatype() == TRITONSERVER_TYPE_BYTES) return RandomStrings(count);
    std::string bytes(count * TRITONSERVER_DataTypeByteSize(datatype()), '\0');
    const unsigned limit = datatype() == TRITONSERVER_TYPE_BOOL ? 2 : 256;
    for (char& byte : bytes) byte = static_cast<char>(random_() % limit);
    return bytes;
  }

  Request RequestOf(const Shape& shape, const std::string& bytes) {
    Request request(server_, "echo");
    request.Input("input", datatype(), shape, bytes);
    return request;
  }

  static void ExpectEcho(const Answer& answer, const Shape& shape, const std::string& bytes) {
    ASSERT_TRUE(Succeeded(answer.outcome));
    const Tensor& output = answer.output("output");
    EXPECT_EQ(output.datatype, datatype());
    EXPECT_EQ(output.shape, shape);
    EXPECT_TRUE(output.bytes == bytes) << "the answer differs from what was sent";
  }

  Server server_;

 private:
  std::string RandomStrings(size_t count) {
    std::vector<std::string> elements = {std::string("a\0b", 3), "", "\xff\xfe not UTF-8"};
    while (elements.size() < count) elements.emplace_back(random_() % 100, 'x');
    elements.resize(count);
    return Strings(elements);
  }

  std::mt19937 random_{1};  // the same bits in every run
};

TEST_P(Datatypes, AloneIsBitEqual) {
  const std::string bytes = RandomElements(7);
  ExpectEcho(RequestOf({1, 7}, bytes).Infer(), {1, 7}, bytes);
}

TEST_P(Datatypes, BatchedIsBitEqual) {
  const std::vector<Shape> shapes = {{1, 3}, {2, 3}, {1, 3}};
  std::vector<std::string> bytes;
  std::vector<Request> requests;
  Occupied occupied(RequestOf({1, 1}, RandomElements(1)));
  for (const Shape& shape : shapes) {
    bytes.push_back(RandomElements(shape[0] * shape[1]));
    requests.push_back(RequestOf(shape, bytes.back()));
    ASSERT_TRUE(Succeeded(requests.back().Send()));
  }
  occupied.Release();
  for (size_t i = 0; i < requests.size(); ++i) {
    ExpectEcho(requests[i].Wait(), shapes[i], bytes[i]);
  }
  EXPECT_EQ(server_.Batches("echo"), (std::map<int64_t, int64_t>{{1, 1}, {4, 1}}));
}

TEST_P(Datatypes, SeveralBuffersPerInputAreOneTensor) {
  const std::string bytes = RandomElements(6);
  // Cut inside elements, with an empty piece between.
  const std::vector<std::string> pieces = {bytes.substr(0, 1), "", bytes.substr(1, 4),
                                           bytes.substr(5)};
  Request request(server_, "echo");
  request.InputInPieces("input", datatype(), {2, 3}, pieces);
  ExpectEcho(request.Infer(), {2, 3}, bytes);
}

TEST_P(Datatypes, NoElementsAreATensorToo) {
  ExpectEcho(RequestOf({1, 0}, "").Infer(), {1, 0}, "");
  ExpectEcho(RequestOf({3, 0}, "").Infer(), {3, 0}, "");
}

TEST_P(Datatypes, EveryRequestMayHaveItsOwnShape) {
  for (const int64_t length : {5, 1, 300, 2, 0, 17}) {
    const std::string bytes = RandomElements(2 * length);
    ExpectEcho(RequestOf({2, length}, bytes).Infer(), {2, length}, bytes);
  }
}

TEST_P(Datatypes, CallersMemoryReceivesTheOutput) {
  const std::string bytes = RandomElements(4);
  std::string destination(bytes.size(), '?');
  Request request = RequestOf({1, 4}, bytes);
  request.OutputAt("output", destination.data(), destination.size());
  ExpectEcho(request.Infer(), {1, 4}, bytes);
  EXPECT_TRUE(destination == bytes);
}

std::string NameOf(const testing::TestParamInfo<Datatypes::ParamType>& info) {
  const auto datatype = static_cast<TRITONSERVER_DataType>(std::get<1>(info.param));
  return std::string(std::get<0>(info.param)) + "_" + TRITONSERVER_DataTypeString(datatype);
}

INSTANTIATE_TEST_SUITE_P(All, Datatypes,
                         testing::Combine(testing::ValuesIn(kBackends),
                                          testing::Range(1, TRITONSERVER_TYPE_BF16 + 1)),
                         NameOf);

}  // namespace
}  // namespace trident::contract
