// The floor of the offloaded lane from JavaScript: a bare trip to a waiting thread and back, with
// nothing done there. An addon with one function, roundTrip(callback).

#include <node_api.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace {

// One thread that waits to be asked, and a thread-safe function to answer through; one question at
// a time. JS thread only, but for Work.
class RoundTrip {
 public:
  explicit RoundTrip(napi_env env) {
    napi_value name = nullptr;
    napi_create_string_utf8(env, "trident_round_trip", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                    Answer, &answer_);
    napi_unref_threadsafe_function(env, answer_);  // only a question keeps the process alive
    thread_ = std::thread([this] { Work(); });
  }

  ~RoundTrip() {
    Ask(Question::kEnd);
    thread_.join();
    napi_release_threadsafe_function(answer_, napi_tsfn_abort);
  }

  bool Start(napi_env env, napi_value callback) {
    if (callback_ != nullptr) return false;
    napi_create_reference(env, callback, 1, &callback_);
    napi_ref_threadsafe_function(env, answer_);
    Ask(Question::kAnswer);
    return true;
  }

 private:
  enum class Question { kNone, kAnswer, kEnd };

  void Ask(Question question) {
    {
      const std::lock_guard lock(mutex_);
      question_ = question;
    }
    asked_.notify_one();
  }

  void Work() {
    for (;;) {
      Question question = Question::kNone;
      {
        std::unique_lock lock(mutex_);
        asked_.wait(lock, [&] { return question_ != Question::kNone; });
        question = std::exchange(question_, Question::kNone);
      }
      if (question == Question::kEnd) return;
      napi_call_threadsafe_function(answer_, nullptr, napi_tsfn_nonblocking);
    }
  }

  static void Answer(napi_env env, napi_value, void* context, void*) {
    auto* const self = static_cast<RoundTrip*>(context);
    if (env == nullptr) return;  // the environment is about to end
    napi_value callback = nullptr, undefined = nullptr;
    napi_get_reference_value(env, self->callback_, &callback);
    napi_delete_reference(env, std::exchange(self->callback_, nullptr));
    napi_unref_threadsafe_function(env, self->answer_);
    napi_get_undefined(env, &undefined);
    napi_call_function(env, undefined, callback, 0, nullptr, nullptr);
  }

  napi_threadsafe_function answer_ = nullptr;
  napi_ref callback_ = nullptr;  // of the question under way
  std::mutex mutex_;
  std::condition_variable asked_;
  Question question_ = Question::kNone;
  std::thread thread_;
};

napi_value Call(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value callback = nullptr;
  void* round_trip = nullptr;
  napi_valuetype type = napi_undefined;
  napi_get_cb_info(env, info, &count, &callback, nullptr, &round_trip);
  napi_typeof(env, callback, &type);
  if (type != napi_function) {
    napi_throw_type_error(env, nullptr, "roundTrip(callback): callback must be a function");
  } else if (!static_cast<RoundTrip*>(round_trip)->Start(env, callback)) {
    napi_throw_error(env, nullptr, "roundTrip: another trip is under way");
  }
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  auto* const round_trip = new RoundTrip(env);
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<RoundTrip*>(data); }, round_trip);
  napi_value function = nullptr;
  napi_create_function(env, "roundTrip", NAPI_AUTO_LENGTH, Call, round_trip, &function);
  napi_set_named_property(env, exports, "roundTrip", function);
  return exports;
}
