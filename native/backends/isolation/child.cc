#include "backends/isolation/child.h"

#include "base/clock.h"
#include "isolation/c_api.h"

namespace trident::isolated {
namespace {

void Log(const isolation::LogRecord& record) {
  (void)isolation::Taken(TRITONSERVER_LogMessage(static_cast<TRITONSERVER_LogLevel>(record.level),
                                                 record.file.c_str(), record.line,
                                                 record.message.c_str()));
}

}  // namespace

Result<std::shared_ptr<Child>> Child::Start(isolation::Program program) {
  TRIDENT_ASSIGN_OR_RETURN(std::unique_ptr<isolation::Channel> channel,
                           isolation::Channel::Create());
  isolation::Channel* const closed_at_end = channel.get();
  program.channel = channel->descriptor();
  std::shared_ptr<Child> child(new Child(std::move(channel)));
  TRIDENT_ASSIGN_OR_RETURN(
      child->process_,
      isolation::ChildProcess::Start(
          program, [closed_at_end](const isolation::ProcessEnd&) { closed_at_end->Close(); }));
  return child;
}

Child::~Child() {
  if (process_ == nullptr || !loaded_) return;
  const uint64_t deadline = NowNs() + kTimeToEndNs;
  if (!Send(isolation::Finalize()).ok()) return;
  for (;;) {  // what it still says is logged
    const auto message = Receive(deadline);
    if (!message.ok() || !message->has_value()) break;
  }
  (void)process_->WaitUntil(deadline);
}

Result<std::string> Child::Load(const isolation::Load& load, uint64_t limit_ns) {
  const uint64_t start_ns = NowNs();
  uint64_t deadline_ns = limit_ns == kNever ? kNever : start_ns + limit_ns;
  const Status sent = Send(load);
  if (sent.code() == StatusCode::kInvalidArg) {  // too long: the child waits for another
    return InvalidArg("model '", load.model, "': ", sent.message());
  }
  for (;;) {
    const Result<std::optional<isolation::ToParent>> message = Receive(deadline_ns);
    if (!sent.ok() || !message.ok()) {
      GiveUp(sent.ok() ? message.status() : sent);
      return Unavailable("model '", load.model, "': ", EndReason());
    }
    if (!message->has_value()) {
      Kill("timeout", StrCat("its load took longer than ", limit_ns / 1'000'000, " ms"));
      deadline_ns = kNever;
      continue;
    }
    if (const auto* failed = std::get_if<isolation::LoadFailed>(&**message)) {
      return isolation::StatusOf(failed->failure);
    }
    if (const auto* loaded = std::get_if<isolation::Loaded>(&**message)) {
      loaded_ = true;
      load_ns_ = NowNs() - start_ns;
      return loaded->configuration;
    }
  }
}

Status Child::Send(const isolation::ToChild& message, std::span<const isolation::Block> blocks) {
  return channel_->Send(isolation::Encode(message), blocks, kNever);
}

Result<std::optional<isolation::ToParent>> Child::Receive(uint64_t deadline_ns) {
  for (;;) {
    TRIDENT_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                             channel_->Receive(deadline_ns));
    if (!bytes) return std::optional<isolation::ToParent>();
    TRIDENT_ASSIGN_OR_RETURN(isolation::ToParent message, isolation::DecodeToParent(*bytes));
    const auto* record = std::get_if<isolation::LogRecord>(&message);
    if (record == nullptr) return std::optional(std::move(message));
    Log(*record);
  }
}

void Child::Kill(const std::string& kind, const std::string& why) {
  {
    MutexLock lock(mutex_);
    if (kill_kind_.empty()) {
      kill_kind_ = kind;
      kill_reason_ = why;
    }
  }
  process_->Kill();
}

void Child::GiveUp(const Status& failed) {
  // UNAVAILABLE says no more than that it has ended.
  if (failed.code() != StatusCode::kUnavailable) return Kill("channel", failed.message());
  process_->Kill();
}

std::string Child::EndReason() {
  // One whose channel is broken lives, and is of no more use.
  if (!process_->WaitUntil(NowNs())) process_->Kill();
  const std::optional<isolation::ProcessEnd> end = process_->WaitUntil(kNever);
  MutexLock lock(mutex_);
  if (!kill_kind_.empty()) return kill_reason_;
  return StrCat("its process ", process_->pid(), " ", end->Description());
}

std::string Child::EndKind() {
  const std::optional<isolation::ProcessEnd> end = process_->WaitUntil(kNever);
  MutexLock lock(mutex_);
  if (!kill_kind_.empty()) return kill_kind_;
  if (end->kind == isolation::ProcessEnd::Kind::kExited) return "exit";
  const std::string text = end->Description();
  return text.substr(text.rfind(' ') + 1);
}

}  // namespace trident::isolated
