#ifndef VISOR_BASE_NODE_CLAIM_HPP
#define VISOR_BASE_NODE_CLAIM_HPP

#include <memory>
#include <optional>
#include <string>

namespace visor {

/// The right to be the only node of a store, as far as the operating system can tell: it ends with the process, however that ends.
struct node_claim {
  /// Whether another process, or another engine of this one, holds the right. Nothing where the store cannot tell: on servers, in memory,
  /// on network file systems.
  std::optional<bool> is_taken;
  std::string holder;                ///< what the other one said of itself, for messages; may be empty
  std::shared_ptr<void const> lock;  ///< gives the right back when it goes; null unless `is_taken` is false
  node_claim() = default;
};

}  // namespace visor

#endif
