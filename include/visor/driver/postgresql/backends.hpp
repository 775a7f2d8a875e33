#ifndef VISOR_DRIVER_POSTGRESQL_BACKENDS_HPP
#define VISOR_DRIVER_POSTGRESQL_BACKENDS_HPP

#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace visor::postgresql_driver {

/// The server processes of the connections of one pool: notifications from them are ignored. Thread-safe.
class own_backends {
 public:
  /// Registers a process for its own lifetime.
  class entry {
   public:
    entry(std::shared_ptr<own_backends> in, int process) : in_(std::move(in)), process_(process) {
      std::scoped_lock const lock(in_->mutex_);
      in_->processes_.insert(process_);
    }
    entry(entry const&) = delete;
    entry& operator=(entry const&) = delete;
    ~entry() {
      std::scoped_lock const lock(in_->mutex_);
      in_->processes_.erase(process_);
    }
    own_backends const& all() const { return *in_; }

   private:
    std::shared_ptr<own_backends> in_;
    int process_;
  };

  bool contains(int process) const {
    std::scoped_lock const lock(mutex_);
    return processes_.contains(process);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_set<int> processes_;
};

}  // namespace visor::postgresql_driver

#endif
