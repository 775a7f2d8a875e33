#ifndef VISOR_STORE_SQL_JOB_NUMBERS_HPP
#define VISOR_STORE_SQL_JOB_NUMBERS_HPP

#include "visor/store/reserved_ids.hpp"
#include "visor/store/sql/jobs.hpp"
#include "visor/store/sql/nodes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

/// The source of job ids. A user's transaction that has added a job may be open for an hour, and no other caller may wait for it to get an
/// id. So where several processes share a database, the database gives each number out once, whether or not the transaction commits.
namespace visor::statements {

struct numbers_params {
  std::int64_t count = 1;
};
BOOST_DESCRIBE_STRUCT(numbers_params, (), (count))

/// A number that was given out, and the greatest id that a job has then.
struct numbered {
  std::int64_t number = 0;
  std::optional<std::int64_t> highest;
};
BOOST_DESCRIBE_STRUCT(numbered, (), (number, highest))

struct next_numbers : sql::statement_defaults {
  static constexpr std::string_view name = "next_numbers";
  using params = numbers_params;
  using row = numbered;
  using used = sql::tables<job_number_record, job_record>;
  static constexpr void write(auto& out) { out("{next_numbers}"); }
};

struct before_number : sql::statement_defaults {
  static constexpr std::string_view name = "before_number";
  using used = sql::tables<job_number_record>;
  static constexpr void write(auto& out) { out("{before_number}"); }
};

struct remove_number : sql::statement_defaults {
  static constexpr std::string_view name = "remove_number";
  using params = job_number_record;
  using used = sql::tables<job_number_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {job_number} WHERE [number] = :number"); }
};

struct raise_numbers : sql::statement_defaults {
  static constexpr std::string_view name = "raise_numbers";
  using used = sql::tables<job_number_record>;
  static constexpr void write(auto& out) { out("{raise_numbers}"); }
};

struct raise_numbers_end : sql::statement_defaults {
  static constexpr std::string_view name = "raise_numbers_end";
  using used = sql::tables<job_number_record>;
  static constexpr void write(auto& out) { out("{raise_numbers_end}"); }
};

struct highest_id {
  std::optional<std::int64_t> highest;
};
BOOST_DESCRIBE_STRUCT(highest_id, (), (highest))

/// The greatest id that any job has.
struct highest_job : sql::statement_defaults {
  static constexpr std::string_view name = "highest_job";
  using row = highest_id;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("SELECT MAX([id]) AS [highest] FROM {job}"); }
};

using all_of_numbers = boost::mp11::mp_list<next_numbers, before_number, remove_number, raise_numbers, raise_numbers_end, highest_job>;

}  // namespace visor::statements

namespace visor::detail {

/// The name of the counter of job ids, where the source is a counter.
inline constexpr std::string_view job_counter = "job";

/// The number of ids that belong to one number: a row for each id would cost as much as the job.
template <class Dialect>
inline constexpr std::int64_t ids_of_a_number = Dialect::numbers == sql::number_source::rows ? 50 : 1;

/// The most ids that one reservation may take.
inline constexpr std::int64_t most_reserved = 1'000'000;

/// Ids for new jobs, and the greatest id that a job had when they were taken, or soon after.
struct taken_ids {
  reserved_ids ids;
  job_id highest = 0;

  /// False when the source of ids may be behind the jobs.
  bool are_new() const { return ids.first() > highest; }
};

/// Returns the greatest id of a job; 0 if there is no job.
template <class Session>
async<Session, job_id> highest_job_id(transaction<Session>& t) {
  auto const found = co_await t.session.find(statements::highest_job());
  co_return found && found->highest ? *found->highest : 0;
}

/// Takes ids in statements that commit one by one, or in a transaction. It takes no lock that others wait for, except where the source is a
/// counter.
template <class Session>
async<Session, taken_ids> take_job_ids(transaction<Session>& t, std::int64_t count) {
  using dialect = typename Session::dialect;
  constexpr std::int64_t size = ids_of_a_number<dialect>;
  taken_ids taken;
  if constexpr (dialect::numbers == sql::number_source::counter) {
    taken.highest = co_await highest_job_id(t);
    auto const first = co_await reserve(t, job_counter, count);
    taken.ids.add(first, count);
  } else if constexpr (dialect::numbers == sql::number_source::query) {
    statements::numbers_params const wanted{count};
    auto const numbers = co_await t.session.query(statements::next_numbers(), wanted);
    for (auto const& each : numbers) {
      taken.ids.add(each.number, 1);
      taken.highest = each.highest.value_or(0);
    }
  } else {
    statements::numbers_params const one{1};
    while (taken.ids.size() < static_cast<std::size_t>(count)) {
      co_await t.session.execute(statements::before_number());
      auto const made = co_await t.session.find(statements::next_numbers(), one);
      job_number_record const used{made->number};
      co_await t.session.execute(statements::remove_number(), used);
      taken.ids.add((made->number - 1) * size + 1, size);
      if (taken.highest == 0) taken.highest = made->highest.value_or(0);
    }
  }
  taken.ids.keep(static_cast<std::size_t>(count));
  co_return taken;
}

/// Makes all later ids greater than `id`. It must run exclusively: of two concurrent calls, one could undo the effect of the other.
template <class Session>
async<Session> raise_job_ids(transaction<Session>& t, job_id id) {
  using dialect = typename Session::dialect;
  auto next = co_await take_job_ids(t, 1);
  job_id const have = next.ids.take();
  if (have > id) co_return;
  if constexpr (dialect::numbers == sql::number_source::counter) {
    co_await reserve(t, job_counter, id - have);
  } else {
    std::int64_t const number = id / ids_of_a_number<dialect> + 1;
    std::string text(sql::text_in<dialect, statements::raise_numbers>);
    text += std::to_string(number);
    text += sql::text_in<dialect, statements::raise_numbers_end>;
    co_await t.session.run(text);
    if constexpr (dialect::numbers == sql::number_source::rows) {
      job_number_record const made{number};
      co_await t.session.execute(statements::remove_number(), made);
    }
  }
}

/// Migrates the counter of an older schema version to the source of this version. The counter is not changed any more.
template <class Session>
async<Session> begin_job_numbers(transaction<Session>& t) {
  if constexpr (Session::dialect::numbers != sql::number_source::counter) {
    statements::of_node const which{job_counter};
    auto const counted = co_await t.session.find(statements::read_sequence(), which);
    if (counted) co_await raise_job_ids(t, counted->next - 1);
  }
  co_return;
}

/// Reverses that migration, before the table is dropped. Other processes may still take ids meanwhile, and use the ids that they have
/// reserved: the counter goes on behind all of them.
template <class Session>
async<Session> end_job_numbers(transaction<Session>& t) {
  if constexpr (Session::dialect::numbers != sql::number_source::counter) {
    statements::of_node const which{job_counter};
    sequence_record const first{std::string(job_counter), 1};
    auto next = co_await take_job_ids(t, 1);
    co_await t.session.post(statements::insert_new_sequence(), first);
    auto const counted = co_await t.session.find(statements::read_sequence(), which);
    statements::sequence_params const more{job_counter, std::max<std::int64_t>(0, next.ids.take() + most_reserved - counted->next)};
    co_await t.session.execute(statements::advance_sequence(), more);
  }
  co_return;
}

}  // namespace visor::detail

#endif
