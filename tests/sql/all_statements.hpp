#ifndef VISOR_TESTS_SQL_ALL_STATEMENTS_HPP
#define VISOR_TESTS_SQL_ALL_STATEMENTS_HPP

#include "visor/store/sql/job_numbers.hpp"
#include "visor/store/sql/limit_statements.hpp"
#include "visor/store/sql/schedule_statements.hpp"
#include "visor/store/sql/schema_operations.hpp"
#include "visor/store/sql/set_statements.hpp"
#include "visor/store/sql/view_statements.hpp"

#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

namespace visor_test {

using all_statements =
    boost::mp11::mp_append<visor::statements::all_of_jobs, visor::statements::all_of_leases, visor::statements::all_of_limits,
                           visor::statements::all_of_schedules, visor::statements::all_of_sets, visor::statements::all_of_views,
                           visor::statements::all_of_schema>;

/// Calls `f` with an object of each statement.
template <class List = all_statements, class Function>
void for_each_statement(Function&& f) {
  boost::mp11::mp_for_each<List>(f);
}

}  // namespace visor_test

#endif
