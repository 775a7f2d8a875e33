// expect: a payload needs a default constructor
#include "visor/handler/payload.hpp"

struct send_report {
  explicit send_report(int count) : pages(count) {}
  int pages;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (pages))

int const pages = visor::from_payload<send_report>("{}").pages;
