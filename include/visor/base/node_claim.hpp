#ifndef VISOR_BASE_NODE_CLAIM_HPP
#define VISOR_BASE_NODE_CLAIM_HPP

#include <memory>
#include <optional>
#include <string>

namespace visor {

/// The right to be the only node of a store, as far as the operating system can tell. It ends with the process, however that ends.
struct node_claim {
  /// True when another process, or another engine of this process, holds the right. Nothing where the store cannot tell: on servers, in
  /// memory, on network file systems.
  std::optional<bool> is_taken;
  std::string holder;                ///< the description that the holder gave of itself, for messages; may be empty
  std::shared_ptr<void const> lock;  ///< releases the right on destruction; null unless `is_taken` is false
  node_claim() = default;
};

}  // namespace visor

#endif
