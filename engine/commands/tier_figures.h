// Figures of the cold tier that the keyspace does not know: the parts of the engine that work for
// the tier add them to INFO's section Tiering.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::commands {

using TierFields = std::vector<std::pair<std::string_view, std::string>>;

class TierFigures {
 public:
  virtual ~TierFigures() = default;
  // Appends names, which outlive the store, and values. Any thread; must not wait for the disk.
  virtual void Add(TierFields& fields) const = 0;
};

}  // namespace holdfast::commands
