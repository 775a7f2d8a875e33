// expect: declare the job type of this payload
#include "visor/jobs.hpp"

struct send_report {
  int pages = 1;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (pages))

#ifdef VISOR_CONTROL
template <>
struct visor::job_type_of<send_report> {
  static constexpr std::string_view name = "send-report";
};
#endif

visor::new_job const record = visor::job<send_report>(2).to_record();
