#include "sqlite_fixture.hpp"

#include "support/no_descriptors.hpp"

#include <boost/asio/co_spawn.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace visor_test {
namespace {

namespace fs = std::filesystem;

refused opening(visor::sqlite_settings settings) {
  on_file db(std::move(settings));
  return refusal_of([&] { db.open(); });
}
refused opening(std::string const& filename) { return opening(quick(filename)); }

void check_one_line(refused const& no) {
  CHECK(no.was);
  CHECK(no.text.find('\n') == std::string::npos);
}

refused writing(std::string const& filename) {
  on_file db(quick(filename));
  return refusal_of([&] {
    db.open();
    db.transact([](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_y (a)"); });
  });
}

/// Opens a database as a user who is not root, whom permissions bind, and writes. Returns the error of the attempt.
std::string writing_as_nobody(std::string const& filename) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  pid_t const child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    auto const no = writing(filename);
    if (::write(ends[1], no.text.data(), no.text.size()) < 0) ::_exit(3);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return text;
}

}  // namespace

TEST_CASE("folder and file are made for their owner alone", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  auto const filename = folder.file("a/b/schedules.db");
  on_file db(quick(filename));
  db.open();
  auto const mode = [](fs::path const& path) { return static_cast<unsigned>(fs::status(path).permissions()) & 0777u; };
  CHECK(mode(filename) == 0600);
  CHECK(mode(filename + "-wal") == 0600);
  CHECK(mode(fs::path(filename).parent_path()) == 0700);
  CHECK(mode(folder.path() / "a") == 0700);
}

TEST_CASE("a folder that is there keeps its permissions", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  fs::permissions(folder.path(), fs::perms(0755));
  on_file db(quick(folder.file()));
  db.open();
  CHECK((static_cast<unsigned>(fs::status(folder.path()).permissions()) & 0777u) == 0755);
}

TEST_CASE("a file that is no database is refused and left as it is", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  std::string const text = "scheduler:\n  storage: {driver: sqlite}\n" + std::string(5000, '#');
  std::ofstream(folder.file()) << text;
  auto const no = opening(folder.file());
  check_one_line(no);
  CHECK(no.code == visor::errc::corrupt);
  CHECK_THAT(no.text, Contains("'" + folder.file() + "' is not an SQLite database"));
  std::ifstream in(folder.file());
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == text);
}

TEST_CASE("a folder in the place of the file is refused", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  auto const no = opening(folder.path().string());
  check_one_line(no);
  CHECK(no.code == visor::errc::connection_failed);
  CHECK_THAT(no.text, Contains("it is a folder; name a file in it"));
}

TEST_CASE("a link to a file that is missing is refused, and nothing is made", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  fs::create_symlink("not mounted/real.db", folder.file());
  auto const no = opening(folder.file());
  check_one_line(no);
  CHECK(no.code == visor::errc::connection_failed);
  CHECK_THAT(no.text, Contains("is a symbolic link to 'not mounted/real.db', and there is no such file"));
  CHECK_FALSE(fs::exists(folder.file()));
}

TEST_CASE("the lack of descriptors is called so", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  auto const no = [&] {
    no_descriptors const left;
    return opening(folder.file());
  }();
  check_one_line(no);
  CHECK(no.code == visor::errc::connection_failed);
  CHECK_THAT(no.text, Contains("this process has no file descriptor left: raise its limit (ulimit -n"));
}

TEST_CASE("a file in the place of a folder is refused", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  std::ofstream(folder.file("x")) << "file";
  auto const no = opening(folder.file("x/schedules.db"));
  check_one_line(no);
  CHECK(no.code == visor::errc::connection_failed);
  CHECK_THAT(no.text, Contains(folder.file("x")));
}

TEST_CASE("settings out of their range are refused by name", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  CHECK_THAT(opening("").text, Contains("filename"));
  CHECK_THAT(opening(std::string("a\0b", 3)).text, Contains("filename"));
  CHECK_THAT(opening(":memory:").text, Contains("use the driver memory"));
  CHECK_THAT(opening("file:x?mode=ro").text, Contains("only a path"));
  auto settings = quick(folder.file());
  settings.busy_timeout = -1ms;
  CHECK(opening(settings).text == "busy_timeout is -1ms: allowed is 0s to 10m");
  settings.busy_timeout = std::chrono::minutes(11);
  CHECK(opening(settings).code == visor::errc::invalid_argument);
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a locked database is busy, and free again later", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  on_file db(quick(folder.file()));
  db.open();
  other_connection other(folder.file());
  other.run("BEGIN IMMEDIATE");
  auto const write = [](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_x (a)"); };
  auto const no = refusal_of([&] { db.transact(write); });
  check_one_line(no);
  CHECK(no.code == visor::errc::busy);
  CHECK_THAT(no.text, Contains("is locked by process " + std::to_string(::getpid()) + " ("));
  db.read([](session& on) -> visor::immediate<> { co_await on.run("SELECT 1"); });
  other.run("COMMIT");
  db.transact(write);
  CHECK(other.value("SELECT name FROM sqlite_schema") == "visor_x");
}

TEST_CASE("whoever only reads opens beside a writer that does not end", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  {
    on_file first(quick(folder.file()));
    first.open();
  }
  other_connection other(folder.file());
  other.run("BEGIN IMMEDIATE");
  other.run("CREATE TABLE visor_x (a)");
  on_file db(quick(folder.file()));
  db.open();
  CHECK_NOTHROW(db.read([](session& on) -> visor::immediate<> { co_await on.run("SELECT name FROM sqlite_schema"); }));
}

TEST_CASE("waiting for a lock ends with the lock", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  auto settings = quick(folder.file());
  settings.busy_timeout = std::chrono::minutes(1);
  on_file db(settings);
  db.open();
  other_connection other(folder.file());
  other.run("BEGIN IMMEDIATE");
  bool over = false;
  auto write = [](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_x (a)"); };
  boost::asio::co_spawn(db.io, db.database.transact(write), [&](std::exception_ptr thrown) { over = thrown == nullptr; });
  db.io.restart();
  db.io.run_for(50ms);
  CHECK_FALSE(over);
  other.run("COMMIT");
  db.io.run();
  CHECK(over);
}

TEST_CASE("closing does not wait for somebody else's lock", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  auto settings = quick(folder.file());
  settings.busy_timeout = std::chrono::minutes(10);
  on_file db(settings);
  db.open();
  other_connection other(folder.file());
  other.run("BEGIN IMMEDIATE");
  std::exception_ptr failure;
  auto write = [](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_x (a)"); };
  boost::asio::co_spawn(db.io, db.database.transact(write), [&](std::exception_ptr thrown) { failure = thrown; });
  db.io.restart();
  db.io.poll();
  db.close();
  db.io.run();
  CHECK(refusal_of([&] {
          if (failure) std::rethrow_exception(failure);
        }).code == visor::errc::busy);
}

TEST_CASE("a damaged database is told from a busy one", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  {
    other_connection other(folder.file());
    other.run("CREATE TABLE visor_x (a); CREATE INDEX visor_y ON visor_x (a)");
    other.run("BEGIN");
    for (int i = 0; i < 200; ++i) other.run("INSERT INTO visor_x VALUES (randomblob(100))");
    other.run("COMMIT");
  }
  std::fstream file(folder.file(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(4096 * 3, '\xAA');
  file.close();
  on_file db(quick(folder.file()));
  auto const no = refusal_of([&] {
    db.open();
    db.read([](session& on) -> visor::immediate<> { co_await on.run("SELECT sum(length(a)) FROM visor_x"); });
  });
  check_one_line(no);
  CHECK(no.code == visor::errc::corrupt);
  CHECK_THAT(no.text, Contains("perhaps since it was written over (cp, rsync) while in use"));
}

TEST_CASE("a disk that refuses to write fails the operation, and is tried again", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  on_file db(quick(folder.file()));
  db.open();
  db.transact([](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_x (a)"); });
  auto const write = [](session& on) -> visor::immediate<> { co_await on.run("INSERT INTO visor_x VALUES (zeroblob(10000000))"); };
  auto const before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  rlimit const small{1'000'000, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  auto const no = refusal_of([&] { db.transact(write); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, before);
  check_one_line(no);
  bool const is_io = no.code == visor::errc::connection_lost || no.code == visor::errc::disk_full;
  CHECK(is_io);
  CHECK_THAT(no.text, Contains(folder.file()));
  CHECK(other_connection(folder.file()).value("SELECT count(*) FROM visor_x") == "0");
  db.transact(write);
  CHECK(other_connection(folder.file()).value("SELECT count(*) FROM visor_x") == "1");
}

TEST_CASE("what may not be written or made is refused by name", "[driver][sqlite][errors]") {
  temporary_folder const folder;
  fs::permissions(folder.path(), fs::perms(0755));
  SECTION("the folder") {
    auto const text = writing_as_nobody(folder.file());
    if (::geteuid() == 0) {
      CHECK_THAT(text, Contains("cannot make the database '" + folder.file() + "': Permission denied"));
      CHECK_THAT(text, Contains("make its folder writable"));
    }
  }
  SECTION("a folder to be made") {
    auto const text = writing_as_nobody(folder.file("new/schedules.db"));
    if (::geteuid() == 0) CHECK_THAT(text, Contains("cannot make the folder '" + folder.file("new") + "'"));
  }
  SECTION("the file") {
    other_connection(folder.file()).run("CREATE TABLE visor_x (a)");
    fs::permissions(folder.file(), fs::perms(0444));
    auto const text = writing_as_nobody(folder.file());
    if (::geteuid() == 0) CHECK_THAT(text, Contains("cannot write the database '" + folder.file() + "'"));
  }
  SECTION("a file that may not be read") {
    other_connection(folder.file()).run("CREATE TABLE visor_x (a)");
    fs::permissions(folder.file(), fs::perms(0000));
    auto const text = writing_as_nobody(folder.file());
    if (::geteuid() == 0) CHECK_THAT(text, Contains("cannot open the database '" + folder.file() + "'"));
  }
}

TEST_CASE("result codes become portable error codes", "[driver][sqlite][errors]") {
  using visor::errc;
  CHECK(visor::sqlite::classify(SQLITE_BUSY_SNAPSHOT) == errc::busy);
  CHECK(visor::sqlite::classify(SQLITE_READONLY_DIRECTORY) == errc::read_only);
  CHECK(visor::sqlite::classify(SQLITE_FULL) == errc::disk_full);
  CHECK(visor::sqlite::classify(SQLITE_NOTADB) == errc::corrupt);
  CHECK(visor::sqlite::classify(SQLITE_IOERR_WRITE) == errc::connection_lost);
  CHECK(visor::sqlite::classify(SQLITE_IOERR_FSYNC) == errc::outcome_unknown);
  CHECK(visor::sqlite::classify(SQLITE_CONSTRAINT_PRIMARYKEY) == errc::unique_violation);
  CHECK(visor::sqlite::classify(SQLITE_CONSTRAINT_CHECK) == errc::invalid_argument);
  CHECK(visor::sqlite::classify(SQLITE_CONSTRAINT_TRIGGER) == errc::invalid_argument);
  CHECK(visor::sqlite::classify(SQLITE_CONSTRAINT_NOTNULL) == errc::invalid_argument);
  CHECK(visor::sqlite::classify(SQLITE_INTERRUPT) == errc::cancelled);
  CHECK(visor::sqlite::classify(SQLITE_CANTOPEN) == errc::connection_failed);
}

}  // namespace visor_test
