// Leaves the core to others now and then. Background work that takes the shards' locks must keep
// the priority of commands (who waits for a lock waits for its holder); but what is ready to run on
// the same core then waits until the kernel's next tick, 4 ms at 250 Hz, and perhaps the one after
// it (measured: clients beside a snapshot waited 0.35 of 4 seconds behind the landing thread). To
// yield would not do: that puts it behind everything else there is to run.
//
// Owned by one thread, which calls Breathe between steps of microseconds, with no lock held.
#pragma once

#include <chrono>
#include <thread>

namespace holdfast::keyspace {

class Breather {
 public:
  void Breathe() {
    if (Clock::now() - since_ < kLongestRun) [[likely]]
      return;
    std::this_thread::sleep_for(kBreath);
    since_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kLongestRun{500};
  static constexpr std::chrono::microseconds kBreath{20};  // and what the kernel adds, 50 or so

  Clock::time_point since_ = Clock::now();
};

}  // namespace holdfast::keyspace
