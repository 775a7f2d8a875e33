#ifndef VISOR_TOOLS_STORAGE_HPP
#define VISOR_TOOLS_STORAGE_HPP

#include "visor/store/store.hpp"

#include <optional>
#include <string>
#include <vector>

namespace visor_program {

/// A store of the driver that the configuration names, as the commands use it: each call runs to its end. Its operations are those
/// of `visor::store`.
class storage {
 public:
  storage() = default;
  storage(storage const&) = delete;
  storage& operator=(storage const&) = delete;
  virtual ~storage() = default;

  virtual visor::instant now() = 0;
  virtual std::vector<visor::schedule_record> schedules(visor::schedule_filter const& filter) = 0;
  virtual std::optional<visor::schedule_record> find_schedule(std::string const& id) = 0;
  virtual void add_schedule(visor::schedule_record const& schedule) = 0;
  virtual visor::schedule_record update_schedule(visor::schedule_record const& schedule) = 0;
  virtual bool remove_schedule(std::string const& id) = 0;
  virtual std::vector<visor::fire_record> fires(std::string const& schedule, std::size_t limit) = 0;
  virtual std::vector<visor::job_view> jobs(visor::job_filter const& filter) = 0;
  virtual std::optional<visor::job_view> find_job(visor::job_id id) = 0;
  virtual std::vector<visor::attempt_record> attempts(visor::job_id id) = 0;
  virtual visor::job_id enqueue(visor::new_job job) = 0;
  virtual visor::cancel_result cancel_job(visor::job_id id) = 0;
  virtual void retry_job(visor::job_id id) = 0;
  virtual std::vector<visor::node_record> nodes() = 0;
  virtual std::vector<visor::type_limit_record> limits() = 0;
  virtual std::vector<visor::recovery> recover(std::optional<visor::node_lease> const& evict) = 0;
  virtual void set_wish(std::string const& node, std::optional<visor::node_wish> wish) = 0;
  virtual bool remove_node(std::string const& node) = 0;
};

}  // namespace visor_program

#endif
