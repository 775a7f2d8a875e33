// A nightly report, kept in SQLite. Try: ./nightly_report, stop it with Ctrl-C, start it again: nothing runs twice.
#include <visor/sqlite.hpp>
#include <visor/visor.hpp>
#include <visor/zone.hpp>

#include <iostream>

struct send_report {
  std::string to;
  int pages = 1;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (to, pages))
template <>
struct visor::job_type_of<send_report> {
  static constexpr std::string_view name = "send-report";
};

int main() {
  using namespace visor::literals;
  boost::asio::io_context io;
  visor::scheduler<visor::sqlite> scheduler{io};

  scheduler.on<send_report>([](visor::job_context& job, send_report const& report) -> visor::task<> {
    job.log("sending to " + report.to);
    std::cout << "job " << job.id() << ": " << report.pages << " pages for " << report.to << std::endl;
    co_return;
  });
  scheduler.at("nightly", "0 2 * * *"_cron, visor::zone("Europe/Berlin"), send_report{"ops@example.com", 12});
  scheduler.at("often", "*/2 * * * * *"_cron, send_report{"you"});
  scheduler.run();  // until SIGINT or SIGTERM, then drains
}
