#include "support/catch.hpp"

#include "visor/engine/process.hpp"

#include <csignal>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

using visor::process_identity;

TEST_CASE("a process knows that itself is not gone") { CHECK_FALSE(process_identity::is_gone(process_identity::current().text())); }

TEST_CASE("a killed process is gone, also while it waits to be reaped") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t const child = fork();
  if (child == 0) {
    auto const text = process_identity::current().text();
    if (write(ends[1], text.data(), text.size()) < 0) _exit(1);
    pause();
    _exit(0);
  }
  char buffer[512];
  auto const length = read(ends[0], buffer, sizeof buffer);
  REQUIRE(length > 0);
  std::string const address(buffer, static_cast<std::size_t>(length));
  CHECK_FALSE(process_identity::is_gone(address));
  kill(child, SIGKILL);
  siginfo_t info;
  REQUIRE(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  CHECK(process_identity::is_gone(address));
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(process_identity::is_gone(address));
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("a process id that was used again is another process") {
  auto other = process_identity::current();
  other.start = "1";
  CHECK(process_identity::is_gone(other.text()));
}

TEST_CASE("nothing is claimed to be gone of which this machine knows nothing") {
  auto other = process_identity::current();
  other.start = "1";
  SECTION("another host") { other.host += "-other"; }
  SECTION("another process space") { other.space = "pid:[1]"; }
  SECTION("another boot, as of a machine that was made of the same image") { other.boot = "00000000-0000-0000-0000-000000000000"; }
  CHECK_FALSE(process_identity::is_gone(other.text()));
}

TEST_CASE("an address that something else wrote tells nothing") {
  auto const host = process_identity::current().host;
  for (std::string const text : {"", " ", "x", "pid 1", " pid  start  boot  space "}) {
    CHECK_FALSE(process_identity::is_gone(text));
    CHECK_FALSE(process_identity::is_gone(host + text));
    CHECK_FALSE(process_identity::is_gone(host + " " + text));
  }
}
