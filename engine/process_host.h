// What commands ask of the process and its allocator: memory and CPU figures, freeing pages.
// Owned by the Store; any thread. What the system does not tell is zero or empty.
#pragma once

#include "engine/commands/host.h"

namespace holdfast {

class Store;

class ProcessHost final : public commands::Host {
 public:
  explicit ProcessHost(Store& store) : store_(store) {}

  commands::ProcessFigures Process() override;
  commands::AllocatorFigures Allocator() override;
  commands::StoreMemory Memory() override;
  void PurgeAllocator() override;
  // What the machine, or the control group that the process runs in, has.
  static uint64_t MemoryAtHand();
  std::array<uint8_t, 20> Sha1(std::string_view bytes) override;

 private:
  Store& store_;
};

}  // namespace holdfast
