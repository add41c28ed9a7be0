// Epoch-based reclamation for the few structures that prefetching threads read without a lock
// (directories and segments of the tables). Owned by the keyspace. A reading thread registers once
// and enters a Guard around each batch of prefetches; a writer retires what it replaced; memory is
// freed when no guard entered before the retirement is still inside. Cannot fail.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace holdfast::memtable {

class Reclaimer {
 public:
  Reclaimer();
  ~Reclaimer();  // frees everything; no reader may be left

  // One per reading thread; destroyed before the Reclaimer.
  class Reader {
   public:
    explicit Reader(Reclaimer& reclaimer);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    friend class Reclaimer;
    Reclaimer& reclaimer_;
    std::atomic<uint64_t>* epoch_;  // 0: outside
  };

  // Cheap: one fenced store in, one release store out.
  class Guard {
   public:
    explicit Guard(Reader& reader);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Reader& reader_;
  };

  // `free` runs later, on whichever thread retires next or calls Collect. Any thread.
  void Retire(std::function<void()> free);
  void Collect();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::memtable
