#include "isolation/host.h"

#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "isolation/child_process.h"
#include "isolation/hosted_model.h"

namespace trident::isolation {
namespace {

// Does what the parent says. Two threads take turns to listen, so that the one that has heard of an
// execution begins with it, while the other hears of cancellations.
class Host {
 public:
  Host(Channel* channel, const HostedModel::Prepare& prepare)
      : channel_(channel), prepare_(prepare), model_(channel) {}

  // True: the parent has told it to end.
  bool Run() {
    std::thread other([this] { Serve(); });
    Serve();
    other.join();
    return told_to_end_;
  }

 private:
  void Serve() {
    while (const std::optional<ToChild> message = Next()) {
      if (const auto* load = std::get_if<Load>(&*message)) model_.Load(*load, prepare_);
      if (const auto* execute = std::get_if<Execute>(&*message)) model_.Execute(*execute);
      if (const auto* cancel = std::get_if<Cancel>(&*message)) model_.Cancel(*cancel);
    }
  }

  std::optional<ToChild> Next() {
    MutexLock lock(listening_);
    if (ended_) return std::nullopt;
    const Result<std::optional<std::string>> bytes = channel_->Receive(kNever);
    if (bytes.ok() && bytes->has_value()) {
      Result<ToChild> message = DecodeToChild(**bytes);
      told_to_end_ = message.ok() && std::holds_alternative<Finalize>(*message);
      if (message.ok() && !told_to_end_) return std::move(message).value();
    }
    ended_ = true;
    return std::nullopt;
  }

  Channel* const channel_;
  const HostedModel::Prepare& prepare_;
  HostedModel model_;
  Mutex listening_;
  bool ended_ GUARDED_BY(listening_) = false;
  bool told_to_end_ = false;
};

}  // namespace

int RunIsolatedInstance(const std::function<void(TRITONSERVER_ServerOptions*)>& prepare) {
  const Result<std::unique_ptr<Channel>> channel = Channel::Attach(kChannelDescriptor);
  if (!channel.ok()) {
    fprintf(stderr, "this program is started by a server: %s\n",
            channel.status().message().c_str());
    return 2;
  }
  EndWith((*channel)->maker());
  bool in_order = false;
  {
    Host host(channel->get(), prepare);
    in_order = host.Run();
  }
  if (!in_order) return 1;
  (void)(*channel)->Send(Encode(ToParent(Finalized())), {}, kNever);
  return 0;
}

}  // namespace trident::isolation
