#include "visor/handler/command.hpp"

#include "handler/runner.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

using namespace std::chrono_literals;
using namespace visor_test;
using visor::command;
using visor::command_options;
using visor::errc;
using visor::stop_reason;

namespace {

command_options shell(std::string text) {
  command_options options({std::move(text)});
  options.shell = true;
  return options;
}

outcome run(command_options const& options, std::string payload = "{}") {
  return run_handler(command(options), job_with(std::move(payload)));
}

/// Stops the job once the command has made the file `ready`.
outcome run_and_stop(command_options options, scratch const& folder, stop_reason why = stop_reason::cancelled, bool cancel_too = true) {
  // More than the pipe holds: the command gets past it when its output is read, and so when its start has been told.
  options.argv[0] = "head -c 100000 /dev/zero; " + options.argv[0];
  stop_order stop;
  stop.why = why;
  stop.cancel_too = cancel_too;
  stop.when = [&folder] { return folder.has("ready"); };
  return run_handler(command(options), job_with("{}"), stop);
}

int count_children() {
  int count = 0;
  for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(thread.path() / "children");
    for (std::string child; children >> child;) {
      std::ifstream about("/proc/" + child + "/comm");
      std::string name;
      // A sanitizer starts this one for itself, to find the names of functions.
      if (std::getline(about, name) && name != "llvm-symbolizer") ++count;
    }
  }
  return count;
}

bool no_children() { return count_children() == 0; }

std::string refusal(command_options const& options) {
  try {
    command(options);
  } catch (visor::error const& failure) {
    CHECK(failure.code() == errc::invalid_argument);
    return failure.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("A command gets its arguments as they are, without a shell") {
  auto const result = run(command_options({"printf", "[%s]", "a b", "$HOME", "*", ""}));
  CHECK(result.good);
  CHECK(result.output == "[a b][$HOME][*][]");
  CHECK(no_children());
}

TEST_CASE("A command's output and error are kept in the order of writing, up to the limit, and always read to the end") {
  CHECK(run(shell("echo one; echo two >&2; echo three")).output == "one\ntwo\nthree\n");
  auto const result =
      run_handler(command(shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1")), job_with("{}"), {}, 1, 1000);
  CHECK(result.message == "exited with code 1: last");
  CHECK(result.output.substr(0, 1000) == std::string(1000, 'x'));
  CHECK_THAT(result.output, EndsWith("[2999006 bytes more were not kept]\n"));
}

TEST_CASE("A command's exit code decides") {
  CHECK(run(shell("exit 0")).good);
  auto const three = run(shell("echo first; echo 'cannot open x' >&2; echo; exit 3"));
  CHECK_FALSE(three.good);
  CHECK(three.code == errc::handler_failed);
  CHECK_FALSE(three.permanent);
  CHECK(three.message == "exited with code 3: cannot open x");
  CHECK(run(shell("exit 255")).message == "exited with code 255");
  CHECK(run(shell("ulimit -c 0; kill -SEGV $$")).message == "killed by SIGSEGV (Segmentation fault)");
  CHECK(run(shell("echo half done; kill -KILL $$")).message == "killed by SIGKILL (Killed): half done");
}

TEST_CASE("The last words of a command are made fit for one line") {
  auto const result = run(shell(R"(printf 'a\001b\377c\303\244\n'; exit 1)"));
  CHECK(result.message ==
        "exited with code 1: a b\xEF\xBF\xBD"
        "c\xC3\xA4");
  auto const longer = run(shell("head -c 5000 /dev/zero | tr '\\0' x; exit 1"));
  CHECK(longer.message == "exited with code 1: " + std::string(200, 'x') + "...");
  CHECK(run(shell(R"(printf 'done 1%%\rdone 2%%\r'; exit 1)")).message == "exited with code 1: done 2%");
}

TEST_CASE("A command reads the payload from its standard input") {
  CHECK(run(command_options({"cat"}), R"({"a":[1,2]})").output == R"({"a":[1,2]})");
  CHECK(run(command_options({"cat", "/dev/stdin"}), R"({"b":1})").output == R"({"b":1})");
  CHECK(run(command_options({"cat"}), "").output.empty());

  std::string const big = "{\"text\":\"" + std::string(10 * 1024 * 1024, 'x') + "\"}";
  CHECK(run(command_options({"wc", "-c"}), big).output == std::to_string(big.size()) + "\n");
  CHECK(run(command_options({"true"}), big).good);
  CHECK(run(shell("exec <&-; sleep 0.05; echo fine"), big).output == "fine\n");
  auto const echoed = run_handler(command(command_options({"cat"})), job_with(big), {}, 1, big.size());
  CHECK(echoed.output == big);
  CHECK_FALSE(run(shell("echo x >&0")).good);
}

TEST_CASE("A command is told about its job in the environment") {
  ::setenv("VISOR_SCHEDULE", "stale", 1);
  ::setenv("VISOR_INPUT_STALE", "1", 1);
  ::setenv("VISOR_TEST_INHERITED", "kept", 1);
  ::setenv("VISOR_TEST_REPLACED", "old", 1);
  command_options options({"env"});
  options.env.emplace("VISOR_TEST_REPLACED", visor::secret("new"));
  options.env.emplace("EMPTY", visor::secret());
  auto const handler = command(options);
  ::unsetenv("VISOR_SCHEDULE");
  ::unsetenv("VISOR_INPUT_STALE");
  ::unsetenv("VISOR_TEST_INHERITED");
  ::unsetenv("VISOR_TEST_REPLACED");

  auto const plain = "\n" + run_handler(handler, job_with("{}")).output;
  for (auto const* line : {"VISOR_JOB_ID=42", "VISOR_ATTEMPT=2", "VISOR_NODE=node-1", "VISOR_EPOCH=7", "VISOR_TEST_INHERITED=kept",
                           "VISOR_TEST_REPLACED=new", "EMPTY="})
    CHECK_THAT(plain, Contains("\n" + std::string(line) + "\n"));
  for (auto const* name : {"VISOR_SCHEDULE", "VISOR_PLANNED_AT", "VISOR_INPUT_", "=old"}) CHECK_THAT(plain, !Contains(name));

  auto job = job_with("{}");
  job.schedule = "nightly report";
  job.planned_at = visor::instant{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21}} + 14h;
  auto const fired = run_handler(handler, job).output;
  CHECK_THAT(fired, Contains("VISOR_SCHEDULE=nightly report\n"));
  CHECK_THAT(fired, Contains("VISOR_PLANNED_AT=2026-11-21T14:00:00Z\n"));
}

TEST_CASE("A command inherits what it may of the environment, and no secret") {
  ::setenv("VISOR_TEST_PLAIN", "plain", 1);
  ::setenv("VISOR_TEST_SECRET", "geheim", 1);
  ::setenv("TZ", "UTC", 1);
  auto const names = [](std::vector<std::string> inherit) {
    command_options options({"env"});
    options.inherit_env = std::move(inherit);
    options.withheld = {"VISOR_TEST_SECRET", "HOME", "PATH"};
    return "\n" + run(options).output;
  };
  auto const all = names({"all"});
  for (auto const* kept : {"\nVISOR_TEST_PLAIN=plain\n", "\nPATH=", "\nTZ=UTC\n"}) CHECK_THAT(all, Contains(kept));
  CHECK_THAT(all, !Contains("geheim"));
  auto const none = names({"none"});
  CHECK_THAT(none, Contains("\nPATH=") && Contains("\nTZ=UTC\n") && Contains("\nVISOR_JOB_ID=42\n") && !Contains("VISOR_TEST"));
  CHECK_THAT(names({}), !Contains("VISOR_TEST"));
  CHECK_THAT(names({"VISOR_TEST_PLAIN", "VISOR_TEST_SECRET"}), Contains("VISOR_TEST_PLAIN=plain") && !Contains("geheim"));
  command_options asked({"env"});
  asked.withheld = {"VISOR_TEST_SECRET"};
  asked.env.emplace("VISOR_TEST_SECRET", visor::secret("asked for"));
  CHECK_THAT(run(asked).output, Contains("VISOR_TEST_SECRET=asked for\n"));
  ::unsetenv("VISOR_TEST_PLAIN");
  ::unsetenv("VISOR_TEST_SECRET");
}

TEST_CASE("A secret in the last line of the output does not become part of the error") {
  auto const said = [](std::string const& line, std::vector<std::string> secrets) {
    command_options options = shell("echo '" + line + "'; exit 3");
    for (auto& each : secrets) options.hidden.emplace_back(std::move(each));
    return run(options).message;
  };
  CHECK(said("login failed: geheim1 is wrong, geheim1", {"geheim1"}) == "exited with code 3: login failed: ******** is wrong, ********");
  // Also where the line is cut within it, for the message or before that.
  CHECK_THAT(said(std::string(195, 'x') + "verysecretvalue", {"verysecretvalue"}), !Contains("very"));
  std::string const filler(250, 's');
  CHECK_THAT(said(filler + filler + filler + filler + std::string(14, '.') + "verysecretvalue", {filler, "verysecretvalue"}),
             Contains(".....") && !Contains("very"));
}

TEST_CASE("A command finds plain fields of the payload in the environment") {
  auto const inputs = [](std::string payload) {
    auto const result = run(shell("env | grep ^VISOR_INPUT_ | sort"), std::move(payload));
    return result.output;
  };
  CHECK(inputs(R"({"team":"platform","pages":3,"ratio":0.25,"big":18446744073709551615,"neg":-1,"on":true,"off":false})") ==
        "VISOR_INPUT_BIG=18446744073709551615\nVISOR_INPUT_NEG=-1\nVISOR_INPUT_OFF=false\nVISOR_INPUT_ON=true\nVISOR_INPUT_PAGES=3\n"
        "VISOR_INPUT_RATIO=0.25\nVISOR_INPUT_TEAM=platform\n");
  CHECK(inputs(R"({"list":[1],"object":{"a":1},"none":null})").empty());
  CHECK(inputs(R"({"team-name":"a","team.name":"b","":"c"})") == "VISOR_INPUT_TEAM_NAME=a\n");
  CHECK(inputs(R"({"version":3.10,"order":123456789012345678901234,"e":1e5,"z":10.00})") ==
        "VISOR_INPUT_E=1e5\nVISOR_INPUT_ORDER=123456789012345678901234\nVISOR_INPUT_VERSION=3.10\nVISOR_INPUT_Z=10.00\n");
  CHECK(inputs(R"({"to":"ops","deep":)" + std::string(199, '[') + std::string(199, ']') + "}") == "VISOR_INPUT_TO=ops\n");
  CHECK(inputs(R"({"a":1,"a":"\u00e9"})") == "VISOR_INPUT_A=\xc3\xa9\n");
  CHECK(inputs(R"({"nul":"a\u0000b","x":"1"})") == "VISOR_INPUT_X=1\n");
  CHECK(inputs(R"({"long":")" + std::string(40'000, 'x') + R"(","x":"1"})") == "VISOR_INPUT_X=1\n");
  CHECK(inputs("[1,2]").empty());
  CHECK(inputs("not json").empty());
  std::string many = "{\"first\":1";
  for (int i = 0; i < 100; ++i) many += ",\"f" + std::to_string(i) + "\":\"" + std::string(30'000, 'x') + "\"";
  CHECK_THAT(inputs(many + "}"), StartsWith("VISOR_INPUT_F0=x"));
}

TEST_CASE("A command runs in its directory") {
  scratch const folder;
  auto options = shell("pwd -P; echo here > file");
  options.working_directory = folder.path();
  CHECK(run(options).output == std::filesystem::canonical(folder.path()).string() + "\n");
  CHECK(folder.read("file") == "here\n");

  folder.write("tool", "#!/bin/sh\necho tool in $PWD\n");
  std::filesystem::permissions(folder / "tool", std::filesystem::perms::owner_all);
  command_options relative({"./tool"});
  relative.working_directory = folder.path();
  CHECK_THAT(run(relative).output, StartsWith("tool in "));
}

TEST_CASE("A command that cannot be started says what and why") {
  scratch const folder;
  auto const plain = folder.write("plain", "#!/bin/sh\n");
  std::filesystem::permissions(plain, std::filesystem::perms::owner_read);
  auto const orphan = folder.write("orphan", "#!/no/such/interpreter\n");
  std::filesystem::permissions(orphan, std::filesystem::perms::owner_all);
  auto const garbage = folder.write("garbage", "neither\n");
  std::filesystem::permissions(garbage, std::filesystem::perms::owner_all);
  auto const failure = [](command_options const& options) {
    auto const result = run(options);
    CHECK_FALSE(result.good);
    CHECK_FALSE(result.permanent);
    CHECK(result.code == errc::not_found);
    return result.message;
  };
  CHECK(failure(command_options({"/no/such/program"})) == "command /no/such/program does not exist");
  CHECK(failure(command_options({plain + "/x"})) == "command " + plain + "/x does not exist");
  CHECK(failure(command_options({folder.path() + "/"})) == "command " + folder.path() + "/ is a folder");
  CHECK(failure(command_options({plain})) == "command " + plain + " is not executable for this user: try chmod +x");
  CHECK(failure(command_options({orphan})) == "command " + orphan + " names an interpreter in its first line that does not exist");
  CHECK(failure(command_options({garbage})) == "command " + garbage + " is no program: a script starts with a line such as #!/bin/sh");

  command_options by_name({"plain"});
  by_name.env.emplace("PATH", visor::secret("/no/such:" + folder.path()));
  CHECK(failure(by_name) == "command " + plain + " is not executable for this user: try chmod +x");
  by_name.argv[0] = "absent";
  CHECK(failure(by_name) == "command absent is in no folder of PATH (/no/such:" + folder.path() + "): give its full path or change PATH");

  auto nowhere = shell("pwd");
  nowhere.working_directory = "/no/such/folder";
  CHECK(failure(nowhere) == "directory /no/such/folder of command pwd: No such file or directory");
  nowhere.working_directory = plain;
  CHECK(failure(nowhere) == "directory " + plain + " of command pwd is not a directory");
  CHECK(no_children());
}

TEST_CASE("Arguments too long for the system are said to be so") {
  auto const result = run(command_options({"echo", std::string(3'000'000, 'x')}));
  CHECK_THAT(result.message, EndsWith("/echo could not be started: Argument list too long"));
  CHECK(no_children());
}

TEST_CASE("Options of a command that make no sense are refused") {
  CHECK(refusal(command_options()) == "command: argv is empty: give the program and its arguments");
  CHECK(refusal(command_options({""})) == "command: argv is empty: give the program and its arguments");
  CHECK(refusal(command_options({"a", std::string("b\0c", 3)})) == "command: argv[1] holds a NUL byte");
  auto two = shell("a");
  two.argv.push_back("b");
  CHECK(refusal(two) == "command: with shell, argv is exactly one text, found 2");
  auto const with = [](std::string const& name, std::string const& value) {
    command_options options({"true"});
    options.env.emplace(name, visor::secret(value));
    return refusal(options);
  };
  CHECK(with("VISOR_JOB_ID", "1") == "command: env: VISOR_JOB_ID is set by visor itself: choose another name");
  CHECK(with("VISOR_INPUT_X", "1") == "command: env: VISOR_INPUT_X is set by visor itself: choose another name");
  CHECK(with("A=B", "1") == "command: env: a name must not be empty and not hold '=' or NUL");
  CHECK(with("", "1") == "command: env: a name must not be empty and not hold '=' or NUL");
  CHECK(with("TOKEN", std::string("s3\0cret", 7)) == "command: env: the value of TOKEN holds a NUL byte");
  command_options slow({"true"});
  slow.stop_grace = 2h;
  CHECK(refusal(slow) == "command: stop_grace is 2h: allowed is 0s to 1h");
  slow.stop_grace = -1s;
  CHECK(refusal(slow) == "command: stop_grace is -1s: allowed is 0s to 1h");
  command_options odd({"true"});
  odd.working_directory = std::string("a\0b", 3);
  CHECK(refusal(odd) == "command: working_directory holds a NUL byte");
}

TEST_CASE("A stopped command's whole process group gets SIGTERM") {
  scratch const folder;
  bool const cancel_too = GENERATE(true, false);
  auto options = shell("sleep 100 & echo $! > child; trap 'touch bye; exit 0' TERM; touch ready; wait");
  options.working_directory = folder.path();
  auto const result = run_and_stop(options, folder, stop_reason::cancelled, cancel_too);
  CHECK(result.code == errc::cancelled);
  CHECK(result.message == "cancelled: the command was ended with SIGTERM");
  CHECK(folder.has("bye"));
  CHECK(eventually([&] { return !alive(std::stol(folder.read("child"))); }));
  CHECK(no_children());
}

TEST_CASE("A command that ignores SIGTERM is killed after the grace, with its group") {
  scratch const folder;
  auto options = shell("trap '' TERM; sleep 100 & echo $! > child; touch ready; wait; sleep 100");
  options.working_directory = folder.path();
  options.stop_grace = 200ms;
  auto const result = run_and_stop(options, folder, stop_reason::timed_out);
  CHECK(result.code == errc::timeout);
  CHECK(result.message == "timed out: the command was killed");
  CHECK(result.took >= 200ms);
  CHECK(eventually([&] { return !alive(std::stol(folder.read("child"))); }));
  CHECK(no_children());
}

TEST_CASE("A suspended command is ended too") {
  scratch const folder;
  auto options = shell("touch ready; kill -STOP $$; sleep 100");
  options.working_directory = folder.path();
  auto const result = run_and_stop(options, folder, stop_reason::shutdown);
  CHECK(result.message == "this node shuts down: the command was ended with SIGTERM");
  CHECK(result.code == errc::cancelled);
}

TEST_CASE("A command whose node lost its lease is killed at once") {
  scratch const folder;
  auto options = shell("trap 'touch term' TERM; touch ready; while :; do sleep 0.01; done");
  options.working_directory = folder.path();
  auto const result = run_and_stop(options, folder, stop_reason::lease_lost);
  CHECK(result.code == errc::lease_lost);
  CHECK(result.message == "this node's lease was lost: the command was killed");
  CHECK_FALSE(folder.has("term"));
}

TEST_CASE("A command whose job is stopped before it starts does not start") {
  scratch const folder;
  boost::asio::io_context io;
  visor::job_context job(job_with("{}"), "node-1", 7, io.get_executor());
  job.request_stop(stop_reason::cancelled);
  std::string message;
  auto const handler = command(command_options({"touch", folder / "started"}));
  boost::asio::co_spawn(io, handler(job), [&](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (visor::error const& failure) {
      message = failure.what();
    }
  });
  io.run();
  CHECK(message == "cancelled: the command was not started");
  CHECK_FALSE(folder.has("started"));
}

TEST_CASE("What a command leaves running in its group is killed and does not hold the job") {
  scratch const folder;
  auto options = shell("sleep 100 & echo $! > child; echo started");
  options.working_directory = folder.path();
  auto const result = run(options);
  CHECK(result.good);
  CHECK(result.output == "started\n");
  CHECK(result.took < 50s);
  CHECK(eventually([&] { return !alive(std::stol(folder.read("child"))); }));

  auto quiet = shell("sleep 100 >/dev/null 2>&1 & echo $! > child");
  quiet.working_directory = folder.path();
  CHECK(run(quiet).took < 50s);
  CHECK(eventually([&] { return !alive(std::stol(folder.read("child"))); }));
}

TEST_CASE("A process that left the group and keeps the pipe open does not hold the job") {
  scratch const folder;
  auto options = shell("setsid sh -c 'echo $$ > child; exec sleep 100' & while ! test -s child; do sleep 0.01; done; echo started");
  options.working_directory = folder.path();
  auto const result = run(options);
  CHECK(result.good);
  CHECK(result.output == "started\n");
  CHECK(result.took < 50s);
  ::kill(static_cast<pid_t>(std::stol(folder.read("child"))), SIGKILL);
}

TEST_CASE("Output written shortly after the command has ended is kept") {
  CHECK(run(shell("(sleep 0.2; echo late) & echo early")).output == "early\nlate\n");
}

TEST_CASE("A command starts from a clean state") {
  int const leaked = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a careless library would
  ::signal(SIGUSR1, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto const descriptors = run(command_options({"ls", "/proc/self/fd"}));
  auto const status = run(command_options({"cat", "/proc/self/status", "/proc/self/stat"}));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGUSR1, SIG_DFL);
  ::signal(SIGPIPE, SIG_DFL);
  ::close(leaked);
  CHECK(descriptors.output == "0\n1\n2\n3\n");  // 3 is the folder that ls itself reads
  CHECK_THAT(status.output, Contains("SigBlk:\t0000000000000000"));
  CHECK_THAT(status.output, Contains("SigIgn:\t0000000000000000"));
  std::istringstream stat(status.output.substr(status.output.find("(cat)")));
  std::string name, state, parent, group, session, terminal;
  stat >> name >> state >> parent >> group >> session >> terminal;
  CHECK(parent == std::to_string(::getpid()));
  CHECK(group == session);
  CHECK(session != std::to_string(::getsid(0)));
  CHECK(terminal == "0");
}

TEST_CASE("Commands run side by side on several threads, and leave nothing behind") {
  auto const handler = command(shell("cat; echo $VISOR_JOB_ID"));
  run_handler(handler, job_with("{}"));
  auto const descriptors = open_descriptors();
  constexpr int count = 150;  // without is_ready() one of about 2000 was taken for ended
  {
    boost::asio::io_context io{3};
    std::vector<std::unique_ptr<visor::job_context>> jobs;
    std::atomic<int> good{0};
    for (int i = 0; i < count; ++i) {
      auto job = job_with("\"" + std::to_string(i) + "\"");
      job.id = i;
      jobs.push_back(std::make_unique<visor::job_context>(std::move(job), "node-1", 7, io.get_executor()));
      boost::asio::co_spawn(io, handler(*jobs.back()), [&](std::exception_ptr thrown) { good += thrown == nullptr; });
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { io.run(); });
    for (auto& thread : threads) thread.join();
    CHECK(good == count);
    for (int i = 0; i < count; ++i) {
      auto const number = std::to_string(i);
      CHECK(jobs[static_cast<std::size_t>(i)]->take_output() == "\"" + number + "\"" + number + "\n");
    }
  }
  CHECK(open_descriptors() == descriptors);
  CHECK(no_children());
}

TEST_CASE("A context that is destroyed while a command runs takes the command with it") {
  scratch const folder;
  auto options = shell("sleep 100 & echo $! > pid; wait");
  options.working_directory = folder.path();
  auto const descriptors = open_descriptors();
  {
    auto io = std::make_unique<boost::asio::io_context>();
    visor::job_context job(job_with("{}"), "node-1", 7, io->get_executor());
    boost::asio::co_spawn(*io, command(options)(job), [](std::exception_ptr) {});
    auto const until = std::chrono::steady_clock::now() + 10s;
    while (folder.read("pid").empty() && std::chrono::steady_clock::now() < until) io->run_for(5ms);
    io.reset();
  }
  CHECK(eventually([&] { return !alive(std::stol(folder.read("pid"))); }));
  CHECK(open_descriptors() == descriptors);
  CHECK(no_children());
}

TEST_CASE("A command dies when visor is killed") {
  scratch const folder;
  pid_t const visor = ::fork();
  if (visor == 0) {
    auto options = shell("echo $$ > pid; exec sleep 100");
    options.working_directory = folder.path();
    run(options);
    ::_exit(0);
  }
  REQUIRE(eventually([&] { return folder.read("pid").ends_with('\n'); }));
  auto const id = std::stol(folder.read("pid"));
  CHECK(alive(id));
  ::kill(visor, SIGKILL);
  ::waitpid(visor, nullptr, 0);
  CHECK(eventually([&] { return !alive(id); }));
}

TEST_CASE("A command that finds no descriptors left was not started, and some are left to others") {
  run(command_options({"true"}));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit tight = before;
  std::vector<outcome> results;
  auto const used = open_descriptors();
  // So that each of the steps of a start is the one that fails.
  for (std::size_t more = 3; more < 16; ++more) {
    tight.rlim_cur = static_cast<rlim_t>(used + more);
    ::setrlimit(RLIMIT_NOFILE, &tight);
    results.push_back(run(command_options({"true"})));
    ::setrlimit(RLIMIT_NOFILE, &before);
  }
  for (auto const& each : results) {
    if (each.good) continue;
    CHECK(each.not_started == std::errc::too_many_files_open);
    CHECK(each.message == "command true could not be started: Too many open files");
  }
  CHECK_FALSE(results.front().good);
  CHECK(run(command_options({"true"})).good);
  CHECK(no_children());

  tight.rlim_cur = static_cast<rlim_t>(used + 80);
  ::setrlimit(RLIMIT_NOFILE, &tight);
  std::vector<int> taken;
  while (run(command_options({"true"})).good) taken.push_back(::dup(2));
  std::size_t left = 0;
  for (int fd = ::dup(2); fd >= 0; fd = ::dup(2), ++left) taken.push_back(fd);
  for (int const fd : taken) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(left >= 16);
}

TEST_CASE("A command that finds no processes left was not started") {
  int result[2];
  REQUIRE(::pipe(result) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    rlimit const none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(1);  // the limit does not hold for root
    auto const seen = run(command_options({"true"}));
    int const why = seen.not_started ? static_cast<int>(*seen.not_started) : 0;
    ::_exit(::write(result[1], &why, sizeof why) == sizeof why ? 0 : 1);
  }
  ::close(result[1]);
  int why = 0;
  CHECK(::read(result[0], &why, sizeof why) == sizeof why);
  ::close(result[0]);
  ::waitpid(child, nullptr, 0);
  CHECK(static_cast<std::errc>(why) == std::errc::resource_unavailable_try_again);
}

TEST_CASE("A command whose file is being written was not started") {
  scratch const folder;
  std::filesystem::copy_file("/bin/true", folder / "busy");
  int const writer = ::open((folder / "busy").c_str(), O_WRONLY);
  auto const result = run(command_options({folder / "busy"}));
  ::close(writer);
  CHECK(result.not_started == std::errc::text_file_busy);
  CHECK(result.message == "command " + (folder / "busy") + " could not be started: Text file busy");
  CHECK(run(command_options({folder / "busy"})).good);
}

TEST_CASE("A command gets the limit of descriptors that its parent was started with") {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit low = before;
  low.rlim_cur = 200;
  ::setrlimit(RLIMIT_NOFILE, &low);
  visor::detail::raise_descriptor_limit();
  rlimit raised{};
  ::getrlimit(RLIMIT_NOFILE, &raised);
  auto const result = run(shell("ulimit -Sn; ulimit -Hn"));
  visor::detail::original_descriptor_limit = RLIM_INFINITY;
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(raised.rlim_cur == before.rlim_max);
  CHECK_THAT(result.output, StartsWith("200\n"));
  CHECK_THAT(result.output, !EndsWith("\n200\n"));
}

namespace {

/// A program whose start hangs in the kernel during the life of this object, as on a file server that does not answer. Opening
/// a file under a lease waits for the holder of the lease, up to 45 s.
class hanging_program {
 public:
  explicit hanging_program(scratch const& folder, std::string const& name) : path(folder / name) {
    std::filesystem::copy_file("/bin/true", path);
    ::signal(SIGIO, SIG_IGN);  // what its holder is told
    file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(::fcntl(file_, F_SETLEASE, F_WRLCK) == 0);
  }
  hanging_program(hanging_program const&) = delete;
  hanging_program& operator=(hanging_program const&) = delete;
  ~hanging_program() { answer(); }

  /// Lets the starts continue.
  void answer() {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
  }

  std::string const path;

 private:
  int file_ = -1;
};

struct background_run {
  visor::job_context job;
  std::string message = "runs";

  background_run(boost::asio::io_context& io, visor::handler const& code) : job(job_with("{}"), "node-1", 7, io.get_executor()) {
    boost::asio::co_spawn(io, code(job), [this](std::exception_ptr thrown) {
      message = "good";
      try {
        if (thrown) std::rethrow_exception(thrown);
      } catch (std::exception const& failure) {
        message = failure.what();
      }
    });
  }
};

void run_until(boost::asio::io_context& io, std::function<bool()> const& holds) {
  auto const until = std::chrono::steady_clock::now() + 20s;
  io.restart();
  while (!holds() && std::chrono::steady_clock::now() < until) io.run_for(5ms);
  CHECK(holds());
}

}  // namespace

TEST_CASE("A start that hangs in the kernel holds up no other command, and ends when its job is stopped") {
  scratch const folder;
  auto const descriptors = open_descriptors();
  {
    hanging_program const first(folder, "first"), second(folder, "second");
    auto const hung = command(command_options({first.path}));
    boost::asio::io_context io;
    background_run one(io, hung), two(io, command(command_options({second.path}))), other(io, command(command_options({"true"})));
    run_until(io, [&] { return other.message != "runs"; });
    CHECK(other.message == "good");
    auto const began = std::chrono::steady_clock::now();
    one.job.request_stop(stop_reason::timed_out);
    two.job.request_stop(stop_reason::lease_lost);
    run_until(io, [&] { return one.message != "runs" && two.message != "runs"; });
    CHECK(one.message == "timed out: the command was killed as it started");
    CHECK(two.message == "this node's lease was lost: the command was killed as it started");
    CHECK(std::chrono::steady_clock::now() - began < 5s);

    // The next one waits for no end of its own.
    background_run again(io, hung), after(io, command(command_options({"true"})));
    run_until(io, [&] { return after.message != "runs"; });
    CHECK(after.message == "good");
    CHECK(again.message == "runs");
    again.job.request_stop(stop_reason::cancelled);
    run_until(io, [&] { return again.message != "runs"; });
    CHECK(again.message == "cancelled: the command was killed as it started");
  }
  CHECK(open_descriptors() == descriptors);
  CHECK(no_children());
}

TEST_CASE("A command whose earlier start hangs takes no second slot") {
  scratch const folder;
  hanging_program const program(folder, "program");
  auto const hung = command(command_options({program.path}));
  boost::asio::io_context io;
  background_run first(io, hung);
  io.run_for(7s);
  CHECK(first.message == "runs");
  background_run second(io, hung);
  run_until(io, [&] { return second.message != "runs"; });
  CHECK(second.message == "command " + program.path + " waits for an earlier start of it that hangs: Device or resource busy");
  first.job.request_stop(stop_reason::cancelled);
  run_until(io, [&] { return first.message != "runs"; });
}

TEST_CASE("Of many jobs of a command that hangs as it starts, one keeps its slot, and other commands start") {
  scratch const folder;
  hanging_program program(folder, "program");
  auto const hung = command(command_options({program.path}));
  boost::asio::io_context io;
  std::deque<background_run> runs;
  for (int i = 0; i < 12; ++i) runs.emplace_back(io, hung);
  background_run other(io, command(command_options({"true"})));
  run_until(io, [&] { return other.message != "runs"; });
  CHECK(other.message == "good");

  auto const refused = "command " + program.path + " waits for an earlier start of it that hangs: Device or resource busy";
  auto const count = [&](std::string const& message) { return std::ranges::count(runs, message, &background_run::message); };
  run_until(io, [&] { return count(refused) == 11; });
  CHECK(count("runs") == 1);
  CHECK(count_children() == 1);

  program.answer();
  run_until(io, [&] { return count("runs") == 0; });
  CHECK(count("good") == 1);
  background_run after(io, hung);
  run_until(io, [&] { return after.message != "runs"; });
  CHECK(after.message == "good");
}

TEST_CASE("Starts wait in a queue for a slow start of their command, and go on when it has ended") {
  scratch const folder;
  hanging_program program(folder, "program");
  auto const slow = command(command_options({program.path}));
  boost::asio::io_context io;
  background_run first(io, slow);
  run_until(io, [] { return count_children() == 1; });
  background_run second(io, slow), third(io, slow), withdrawn(io, slow);
  io.run_for(500ms);
  CHECK(count_children() == 1);
  withdrawn.job.request_stop(stop_reason::cancelled);
  run_until(io, [&] { return withdrawn.message != "runs"; });
  CHECK(withdrawn.message == "cancelled: the command was not started");
  program.answer();
  run_until(io, [&] { return first.message != "runs" && second.message != "runs" && third.message != "runs"; });
  CHECK(first.message == "good");
  CHECK(second.message == "good");
  CHECK(third.message == "good");
}

TEST_CASE("A context that is destroyed while a start hangs waits for no file server") {
  scratch const folder;
  hanging_program const program(folder, "program");
  auto io = std::make_unique<boost::asio::io_context>();
  background_run one(*io, command(command_options({program.path}))), other(*io, command(command_options({"true"})));
  run_until(*io, [&] { return other.message != "runs"; });
  auto const began = std::chrono::steady_clock::now();
  io.reset();
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  CHECK(no_children());
}

TEST_CASE("A program that ignores SIGCHLD is told why exit codes are lost") {
  ::signal(SIGCHLD, SIG_IGN);
  auto const result = run(shell("sleep 0.05; exit 3"));
  ::signal(SIGCHLD, SIG_DFL);
  CHECK(result.message == "its exit status was lost: this program ignores SIGCHLD or waits for all of its children");
}
