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

/// A row that a transaction can do without: that of a job, or another one by its name in messages, `lease 7 of node a`.
struct optional_row {
  job_id job = 0;  ///< 0: it has a name
  std::string name;
  friend auto operator<=>(optional_row const&, optional_row const&) = default;
};

/// The rows of a transaction that a database permanently refuses to change. After the first refusal the transaction is performed row by
/// row, and once more after each refusal that names one. A job whose move is refused becomes dead. A job whose death is refused too stays
/// where it is, and so does every other row whose change is refused.
class row_refusals {
 public:
  /// Whether a refusal must name its row, so that rows are written one by one. Otherwise those that are known to stay are passed over.
  bool is_row_by_row() const { return is_row_by_row_; }

  void begin_row_by_row() {
    is_row_by_row_ = true;
    restart();
  }

  /// Forgets what an earlier try of the transaction was about.
  void restart() {
    current_.clear();
    named_.clear();
  }

  /// Announces that the next statements are about moving this job, until `end()`. Calls may be nested.
  void begin(job_id job) { begin({job, {}}, false); }

  /// Announces that the next statements are about a row that stays as it is where they are refused, until `end()`.
  void begin(optional_row row) { begin(std::move(row), true); }

  void end() {
    current_.pop_back();
    named_.clear();
  }

  /// Announces that the next statements are about something that the operation cannot do without.
  /// \param texts of it that are stored, each with its name
  void begin_named(std::vector<named_text> texts) {
    current_.clear();
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

  bool is_left(job_id job) const { return left_.contains({job, {}}); }
  bool is_left(optional_row const& row) const { return left_.contains(row); }
  std::size_t count_left() const { return left_.size(); }

  /// How often `learn` returned true.
  std::size_t count_learned() const { return learned_; }

  /// Whether an operation that is called again soon leaves the other rows to its next call, so that its caller has time for others.
  bool has_learned_enough() const { return learned_ >= 20; }

  /// \return whether the refusal was of one row, so that trying again is of use
  bool learn(error const& why) {
    if (current_.empty()) return false;
    auto const [row, stays] = std::move(current_.back());
    restart();
    if (dead_.erase(row.job) != 0 || stays)
      left_.emplace(row, reason_of(why));
    else
      dead_.emplace(row.job, "it cannot be moved: " + reason_of(why));
    ++learned_;
    return true;
  }

  /// Takes the remarks for the operator; each is returned once.
  std::vector<remark> take_remarks() {
    std::vector<remark> all;
    for (auto& [job, why] : std::exchange(dead_, {})) all.push_back({job, "is dead: " + why});
    for (auto& [row, why] : left_)
      if (!why.empty())
        all.push_back({row.job, (row.name.empty() ? "" : row.name + " ") +
                                    "stays where it is, as the database refuses whatever becomes of it: " + std::exchange(why, "")});
    return all;
  }

  /// Takes over the rows that stay.
  void add_left(row_refusals const& from) { left_.insert(from.left_.begin(), from.left_.end()); }

 private:
  struct current_row {
    optional_row row;
    bool stays = false;  ///< where it is refused; otherwise the job becomes dead
  };

  void begin(optional_row row, bool stays) {
    current_.push_back({std::move(row), stays});
    named_.clear();
  }

  bool is_row_by_row_ = false;
  std::size_t learned_ = 0;
  std::vector<current_row> current_;  // the innermost last
  std::vector<named_text> named_;
  std::map<job_id, std::string> dead_;        // and why
  std::map<optional_row, std::string> left_;  // and why; empty: already reported
};

/// The rows that stay as they are: passed over for a while, and then tried again. All members may be called from any thread, with times of
/// the same `elapsed()`.
class stranded_rows {
 public:
  row_refusals known(duration now) {
    std::scoped_lock const lock(mutex_);
    if (known_.count_left() != 0 && now >= until_) known_ = row_refusals();
    return known_;
  }

  void keep(row_refusals const& latest, duration now) {
    if (latest.count_learned() == 0) return;
    std::scoped_lock const lock(mutex_);
    known_.add_left(latest);
    until_ = next_look_ = now + between_tries * static_cast<int>(1 + known_.count_left() / many);
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
  static constexpr std::size_t many = 100;  ///< rows that are tried again more seldom, since each of them costs a transaction
  static constexpr std::chrono::minutes between_looks{1};

  std::mutex mutex_;
  row_refusals known_;
  duration until_{};
  duration next_look_{};
  bool has_looked_ = false;
};

/// Performs a transaction that moves many jobs. Where the database refuses one row permanently, it is performed once more, row by row.
/// \param elapsed returns the time
/// \param transaction `task<T>(row_refusals*)`; null: all at once
/// \param tell receives each `remark`
template <class Elapsed, class Transaction, class Tell>
auto perform_isolating_refusals(stranded_rows& stranded, Elapsed elapsed, Transaction& transaction, Tell tell)
    -> std::invoke_result_t<Transaction&, row_refusals*> {
  using value_type = typename std::invoke_result_t<Transaction&, row_refusals*>::value_type;
  row_refusals refusals = stranded.known(elapsed());
  if (refusals.count_left() == 0) {
    try {
      co_return co_await transaction(nullptr);
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
    }
  }
  refusals.begin_row_by_row();
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
