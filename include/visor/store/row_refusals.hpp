#ifndef VISOR_STORE_ROW_REFUSALS_HPP
#define VISOR_STORE_ROW_REFUSALS_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/store/bisection.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::detail {

/// A stored text and its name in messages: `the job type`.
struct named_text {
  std::string what;
  std::string text;
};

/// The jobs of a group that a database permanently refuses to move. After the first refusal the group is written job by job, and once more
/// after each refusal that names one. A job whose move is refused becomes dead. A job whose death is refused too stays where it is.
class row_refusals {
 public:
  /// Whether any row was refused, so that jobs are written one by one.
  bool any() const { return is_on_; }

  void begin_row_by_row() { is_on_ = true; }

  /// Announces that the next statements are about this job; 0: about none.
  void begin(job_id job) {
    current_ = job;
    named_.clear();
  }

  /// Announces that the next statements are about something that the operation cannot do without.
  /// \param texts of it that are stored, each with its name
  void begin_named(std::vector<named_text> texts) {
    current_ = 0;
    named_ = std::move(texts);
  }

  /// Returns the refusal in words that name the refused text and the remedy. It is unchanged where it is about nothing with a name.
  error named(error const& why) const {
    if (named_.empty()) return why;
    std::string const character = refused_character(why.server_text());
    std::string all;
    for (auto const& [what, text] : named_) {
      all += (all.empty() ? "" : ", ") + what + " '" + text + "'";
      if (!character.empty() && text.find(character) != std::string::npos)
        return error(why.portable_code(),
                     what + " '" + text + "' has the character '" + character +
                         "', which the encoding of the database lacks: give it a name without, or use a database whose encoding is UTF-8",
                     why.server_text());
    }
    return error(why.portable_code(),
                 "the database refuses " + all + ": give names of characters that its encoding has, and look for a CHECK, a trigger or a " +
                     "shorter column that somebody added to the tables of visor",
                 why.server_text());
  }

  /// The reason why a job must become dead; none: it is moved as usual. The text lives as long as this object.
  std::string const* death_of(job_id job) const {
    auto const at = dead_.find(job);
    return at == dead_.end() ? nullptr : &at->second;
  }

  bool is_left(job_id job) const { return left_.contains(job); }
  std::size_t count_left() const { return left_.size(); }

  /// \return whether the refusal was of one job, so that trying again is of use
  bool learn(error const& why) {
    job_id const whose = std::exchange(current_, 0);
    if (whose == 0) return false;
    if (dead_.erase(whose) != 0)
      left_.emplace(whose, reason_of(why));
    else
      dead_.emplace(whose, "it cannot be moved: " + reason_of(why));
    return true;
  }

  /// Takes the remarks for the operator; each is returned once.
  std::vector<remark> take_remarks() {
    std::vector<remark> all;
    for (auto& [job, why] : std::exchange(dead_, {})) all.push_back({job, "is dead: " + why});
    for (auto& [job, why] : left_)
      if (!why.empty())
        all.push_back({job, "stays where it is, as the database refuses whatever becomes of it: " + std::exchange(why, "")});
    return all;
  }

 private:
  bool is_on_ = false;
  job_id current_ = 0;
  std::vector<named_text> named_;
  std::map<job_id, std::string> dead_;  // and why
  std::map<job_id, std::string> left_;  // and why; empty: already reported
};

/// The jobs that stay where they are: passed over for a while, and then tried again. All members may be called from any thread, with times
/// of the same `elapsed()`.
class stranded_jobs {
 public:
  row_refusals known(duration now) {
    std::scoped_lock const lock(mutex_);
    if (known_.any() && now >= until_) known_ = row_refusals();
    return known_;
  }

  void keep(row_refusals const& latest, duration now) {
    if (!latest.any()) return;
    std::scoped_lock const lock(mutex_);
    known_ = latest.count_left() == 0 ? row_refusals() : latest;
    until_ = next_look_ = now + between_tries;
  }

  /// Whether it is time to look for jobs that ended nodes still hold.
  bool is_due(duration now) {
    std::scoped_lock const lock(mutex_);
    if (has_looked_ && now < next_look_) return false;
    has_looked_ = true;
    next_look_ = now + between_looks;
    return true;
  }

 private:
  static constexpr std::chrono::minutes between_tries{1};
  static constexpr std::chrono::minutes between_looks{1};

  std::mutex mutex_;
  row_refusals known_;
  duration until_{};
  duration next_look_{};
  bool has_looked_ = false;
};

/// Performs a transaction that moves many jobs. Where the database refuses one of them permanently, it is performed once more, job by job.
/// \param elapsed returns the time
/// \param transaction `task<T>(row_refusals*)`; null: all at once
/// \param tell receives each `remark`
template <class Elapsed, class Transaction, class Tell>
auto perform_isolating_refusals(stranded_jobs& stranded, Elapsed elapsed, Transaction& transaction, Tell tell)
    -> std::invoke_result_t<Transaction&, row_refusals*> {
  using value_type = typename std::invoke_result_t<Transaction&, row_refusals*>::value_type;
  row_refusals refusals = stranded.known(elapsed());
  if (!refusals.any()) {
    try {
      co_return co_await transaction(nullptr);
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
      refusals.begin_row_by_row();
    }
  }
  auto const note = [&] {
    for (auto const& each : refusals.take_remarks()) tell(each);
    stranded.keep(refusals, elapsed());
  };
  for (;;) {
    try {
      if constexpr (std::is_void_v<value_type>) {
        co_await transaction(&refusals);
        note();
        co_return;
      } else {
        auto result = co_await transaction(&refusals);
        note();
        co_return result;
      }
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
      if (!refusals.learn(thrown)) throw refusals.named(thrown);
    }
  }
}

}  // namespace visor::detail

#endif
