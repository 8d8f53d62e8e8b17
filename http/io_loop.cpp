#include "http/internal/io_loop.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "http/internal/connection.h"

namespace sightline::http::internal {

void IoLoop::start() {
  queue_.start_loop([this] { return run(); });
}

void IoLoop::release() { work_.reset(); }

void IoLoop::add(const std::shared_ptr<Connection>& connection) {
  if (connections_.size() >= prune_at_) {
    std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
    prune_at_ = 64 + 2 * connections_.size();
  }
  connections_.push_back(connection);
}

void IoLoop::for_all(std::function<void(Connection&)> what) {
  boost::asio::post(io_, [this, what = std::move(what)] {
    const auto copy = connections_;
    for (const auto& weak : copy) {
      if (const auto connection = weak.lock()) what(*connection);
    }
  });
}

bool IoLoop::keep(Task& task) {
  if (kept_ || !queue_.try_keep()) return false;
  kept_ = std::move(task);
  return true;
}

Task IoLoop::run() {
  while (io_.run_one() > 0) {
    if (!kept_) continue;
    // Where several requests have come at once, each would wait for another thread to wake.
    const bool is_alone = io_.poll_one() == 0;
    Task task = std::exchange(kept_, nullptr);
    if (is_alone && queue_.hand_over([this] { return run(); })) return task;
    queue_.post_kept(std::move(task));
  }
  return nullptr;
}

}  // namespace sightline::http::internal
