#include "sqlite_fixture.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string_view>
#include <thread>

// The files beside a database and the database as a file: the node's lock, and changes by others to files that are in use.
namespace visor_test {
namespace {

namespace fs = std::filesystem;

/// A database that is there.
struct open_file : on_file {
  explicit open_file(temporary_folder const& folder) : open_file(quick(folder.file())) {}
  explicit open_file(visor::sqlite_settings settings) : on_file(std::move(settings)) { open(); }
  void make_table() {
    transact([](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE t (a)"); });
  }
  refused write() {
    return refusal_of([&] { transact([](session& on) -> visor::immediate<> { co_await on.run("INSERT INTO t VALUES (1)"); }); });
  }
  refused look() {
    return refusal_of([&] { read([](session& on) -> visor::immediate<> { co_await on.run("SELECT count(*) FROM t"); }); });
  }
  visor::node_claim claim(std::string holder = "this") { return run(io, database.claim_node(std::move(holder))); }
};

/// Holds the lock in a process of its own, until it is killed.
class holding_process {
 public:
  explicit holding_process(std::string const& filename) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      visor::sqlite_driver::node_lock lock(visor::sqlite_driver::node_lock::path_of(filename), "the child");
      char const answer = lock.hold() ? 'y' : 'n';
      if (::write(ends[1], &answer, 1) == 1) ::pause();
      ::_exit(0);
    }
    char answer = ' ';
    REQUIRE(::read(ends[0], &answer, 1) == 1);
    CHECK(answer == 'y');
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void kill() const {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_ = 0;
};

}  // namespace

TEST_CASE("one engine of one process has the right to be the only node", "[driver][sqlite][files]") {
  temporary_folder const folder;
  open_file one(folder), two(folder);
  auto first = one.claim("the first");
  CHECK(first.is_taken == false);
  CHECK(one.claim().is_taken == true);
  auto const second = two.claim();
  CHECK(second.is_taken == true);
  CHECK(second.holder == "the first");
  CHECK(second.lock == nullptr);
  first = visor::node_claim();
  CHECK(two.claim().is_taken == false);
}

TEST_CASE("the lock of a node is that of its file, by whatever path", "[driver][sqlite][files]") {
  temporary_folder const folder;
  open_file one(folder);
  auto const first = one.claim();
  fs::create_directory(folder.path() / "elsewhere");
  auto const link = folder.path() / "elsewhere" / "link.db";
  fs::create_symlink(folder.file(), link);
  on_file two(quick(link.string()));
  two.open();
  CHECK(run(two.io, two.database.claim_node("two")).is_taken == true);
}

TEST_CASE("a file with a second name is refused, since each name has a log of its own", "[driver][sqlite][files]") {
  temporary_folder const folder;
  {
    open_file one(folder);
    one.make_table();
  }
  auto const second = folder.path() / "second.db";
  fs::create_hard_link(folder.file(), second);
  for (std::string const& name : {folder.file(), second.string()}) {
    on_file other(quick(name));
    auto const no = refusal_of([&] { other.open(); });
    CHECK(no.code == visor::errc::unsupported);
    CHECK_THAT(no.text, Contains("has 2 names (hard links)"));
  }
  fs::remove(second);
  open_file again(folder);
  CHECK_FALSE(again.write().was);
}

TEST_CASE("a node that is killed gives its lock back at once, and one that is stopped keeps it", "[driver][sqlite][files]") {
  temporary_folder const folder;
  open_file one(folder);
  one.close();
  holding_process const other(folder.file());
  one.open();
  CHECK(one.claim().is_taken == true);
  CHECK(one.claim().holder == "the child");
  other.kill();
  CHECK(one.claim().is_taken == false);
}

TEST_CASE("a lock whose file was removed is taken again, unless somebody else was first", "[driver][sqlite][files]") {
  temporary_folder const folder;
  open_file one(folder);
  visor::sqlite_driver::node_lock lock(folder.file("x"), "one");
  CHECK(lock.hold());
  fs::remove(folder.file("x"));
  SECTION("nobody") {
    CHECK(lock.hold());
    CHECK(fs::exists(folder.file("x")));
    visor::sqlite_driver::node_lock other(folder.file("x"), "two");
    CHECK_FALSE(other.hold());
  }
  SECTION("somebody") {
    visor::sqlite_driver::node_lock other(folder.file("x"), "two");
    CHECK(other.hold());
    CHECK_FALSE(lock.hold());
  }
}

TEST_CASE("the process that keeps others from writing is named", "[driver][sqlite][files]") {
  using visor::sqlite_driver::locked_byte;
  using visor::sqlite_driver::writer_of;
  constexpr std::string_view locks =
      "1: POSIX  ADVISORY  READ 10 fe:01:77 120 127\n"
      "1: -> POSIX  ADVISORY  WRITE 11 fe:01:77 120 120\n"
      "2: FLOCK  ADVISORY  WRITE 12 fe:01:77 0 EOF\n"
      "3: POSIX  ADVISORY  WRITE 13 fe:01:77 120 120\n"
      "4: POSIX  ADVISORY  WRITE 14 fe:01:78 100 EOF\n"
      "5: OFDLCK ADVISORY  WRITE -1 fe:01:79 0 EOF\n"
      "and more\n";
  CHECK(writer_of(locked_byte{0xFE, 1, 77, 120}, locks) == 13);
  CHECK(writer_of(locked_byte{0xFE, 1, 77, 121}, locks) == 0);
  CHECK(writer_of(locked_byte{0xFE, 2, 77, 120}, locks) == 0);
  CHECK(writer_of(locked_byte{0xFE, 1, 78, 120}, locks) == 14);
  CHECK(writer_of(locked_byte{0xFE, 1, 79, 1}, locks) == 0);

  temporary_folder const folder;
  auto settings = quick(folder.file());
  settings.journal = GENERATE(visor::sqlite_journal::wal, visor::sqlite_journal::rollback);
  open_file one(settings);
  one.make_table();
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    other_connection other(folder.file());
    other.run("BEGIN IMMEDIATE");
    if (::write(ends[1], "x", 1) == 1) ::pause();
    ::_exit(0);
  }
  char ready = ' ';
  REQUIRE(::read(ends[0], &ready, 1) == 1);
  auto const what = one.write();
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(what.code == visor::errc::busy);
  CHECK_THAT(what.text, Contains("is locked by process " + std::to_string(child) + " (test_driver_sql"));
}

// --- the file is not the one it was -------------------------------------------------------------------------------------------------

TEST_CASE("nothing is read from or written to a file that its path does not lead to any more", "[driver][sqlite][files]") {
  temporary_folder const folder;
  auto const below = folder.path() / "below";
  auto const file = below / "schedules.db";
  auto settings = quick(file.string());
  settings.journal = GENERATE(visor::sqlite_journal::wal, visor::sqlite_journal::rollback);
  open_file one(settings);
  one.make_table();
  REQUIRE_FALSE(one.write().was);
  REQUIRE_FALSE(one.look().was);
  std::string expected;
  SECTION("removed") {
    fs::remove(file);
    expected = "was removed or renamed";
  }
  SECTION("its folder renamed") {
    fs::rename(below, folder.path() / "elsewhere");
    expected = "was removed or renamed";
  }
  SECTION("replaced") {
    fs::rename(file, below / "old.db");
    fs::copy_file(below / "old.db", file);
    expected = "was replaced by another file";
  }
  SECTION("emptied") {
    fs::resize_file(file, 0);
    expected = "was truncated";
  }
  for (auto const& what : {one.write(), one.look(), one.write()}) {
    CHECK(what.code == visor::errc::replaced);
    CHECK_THAT(what.text, Contains("the file of the database '" + file.string() + "' " + expected + " while it was in use"));
  }
  CHECK(refusal_of([&] { one.open(); }).code == visor::errc::replaced);
  CHECK((fs::exists(file) || expected == "was removed or renamed"));  // nobody made a new one

  one.close();
  one.open();
  CHECK(fs::exists(file));
  if (expected == "was replaced by another file") CHECK_FALSE(one.write().was);
}

TEST_CASE("a write-ahead log that somebody removed is noticed", "[driver][sqlite][files]") {
  temporary_folder const folder;
  open_file one(folder);
  one.make_table();
  REQUIRE_FALSE(one.write().was);
  std::string const which = GENERATE("-wal", "-shm");
  fs::remove(folder.file() + which);
  auto const what = one.write();
  CHECK(what.code == visor::errc::replaced);
  CHECK_THAT(what.text, Contains("schedules.db" + which + "', which was removed"));
}

TEST_CASE("a file that is gone is noticed when nobody asks", "[driver][sqlite][files]") {
  temporary_folder const folder;
  std::mutex mutex;
  std::string said;
  auto const log = [&](visor::log_level level, std::string_view line) {
    std::scoped_lock const lock(mutex);
    said += std::string(level == visor::log_level::error ? "error " : "") + std::string(line) + "\n";
  };
  boost::asio::io_context io;
  visor::sqlite::database database(quick(folder.file()), log);
  run(io, database.open());
  std::atomic<int> calls{0};
  database.watch([&] { ++calls; });
  auto const wait_for_call = [&] {
    auto const end = std::chrono::steady_clock::now() + 2s;
    while (calls == 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
    return calls != 0;
  };
  SECTION("removed") {
    fs::remove(folder.file());
    CHECK(wait_for_call());
    std::scoped_lock const lock(mutex);
    CHECK_THAT(said, StartsWith("error the file of the database"));
    CHECK(std::ranges::count(said, '\n') == 1);
  }
  SECTION("its node's lock is another process's") {
    auto const claim = run(io, database.claim_node("this"));
    REQUIRE(claim.is_taken == false);
    // At once: where the file is not there for a moment, its owner makes another one.
    holding_process const other(folder.file() + "2");
    fs::rename(folder.file() + "2-node", folder.file() + "-node");
    CHECK(wait_for_call());
    other.kill();
    std::scoped_lock const lock(mutex);
    CHECK_THAT(said, Contains("lost the lock of its node to another process"));
  }
  database.watch({});
  run(io, database.close());
}

TEST_CASE("a file that has tables of its user keeps the version that he gave it", "[driver][sqlite][files]") {
  temporary_folder const folder;
  {
    other_connection user(folder.file());
    user.run("CREATE TABLE orders (id INTEGER PRIMARY KEY)");
    user.run("PRAGMA user_version = 42");
    user.run("PRAGMA application_id = 7");
  }
  boost::asio::io_context io;
  visor::sqlite_store<> store(quick(folder.file()));
  run(io, store.open());
  run(io, store.claim_node("this"));
  visor::join_request request;
  request.node = "one";
  run(io, store.join(request));
  run(io, store.close());
  other_connection user(folder.file());
  CHECK(user.value("PRAGMA user_version") == "42");
  CHECK(user.value("PRAGMA application_id") == "7");
  CHECK(user.value("SELECT count(*) FROM orders") == "0");
}

TEST_CASE("a file that was cut off is told from one that VACUUM made shorter", "[driver][sqlite][files]") {
  temporary_folder const folder;
  open_file one(folder);
  one.make_table();
  one.transact([](session& on) -> visor::immediate<> {
    co_await on.run(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT randomblob(4000) FROM n");
  });
  {
    other_connection other(folder.file());
    other.run("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  REQUIRE_FALSE(one.write().was);
  std::atomic<int> calls{0};
  one.database.watch([&] { ++calls; });
  auto const size = fs::file_size(folder.file());
  bool const by_vacuum = GENERATE(true, false);
  if (by_vacuum) {
    other_connection other(folder.file());
    other.run("DELETE FROM t");
    other.run("VACUUM");
    other.run("PRAGMA wal_checkpoint(TRUNCATE)");
    REQUIRE(fs::file_size(folder.file()) < size);
  } else {
    fs::resize_file(folder.file(), size / 2);
  }
  std::this_thread::sleep_for(2800ms);
  auto const what = one.write();
  CHECK(what.was != by_vacuum);
  if (!by_vacuum) CHECK_THAT(what.text, Contains("was truncated"));
  one.database.watch({});
}

TEST_CASE("a database is found where its process was when it began, and ~/ is the home", "[driver][sqlite][files]") {
  temporary_folder const folder;
  fs::create_directory(folder.path() / "other");
  auto const before = fs::current_path();
  auto const home = std::string(std::getenv("HOME") != nullptr ? std::getenv("HOME") : "/");
  fs::current_path(folder.path());
  ::setenv("HOME", folder.path().c_str(), 1);
  {
    open_file one(quick("schedules.db")), two(quick("~/in/home.db"));
    one.make_table();
    fs::current_path(folder.path() / "other");
    CHECK_FALSE(one.write().was);
    CHECK_FALSE(one.look().was);
  }
  ::setenv("HOME", home.c_str(), 1);
  fs::current_path(before);
  CHECK(fs::exists(folder.path() / "in" / "home.db"));
  CHECK(fs::is_empty(folder.path() / "other"));
}

TEST_CASE("where a sandbox refuses mknod, a database is made by open, and that descriptor stays open", "[driver][sqlite][files]") {
  temporary_folder const folder;
  pid_t const child = ::fork();
  if (child == 0) {
    std::array<sock_filter, 7> filter{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mknodat, 1, 0),
#ifdef SYS_mknod
                                       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mknod, 0, 1),
#else
                                       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mknodat, 0, 1),
#endif
                                       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
    sock_fprog const program{5, filter.data()};
    ::umask(0);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(77);
    int code = 1;
    try {
      {
        open_file one(folder);
      }
      for (auto const& each : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        if (fs::read_symlink(each.path(), gone) == folder.file()) code = 0;
      }
    } catch (...) {
      code = 2;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) return;  // no seccomp here
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(fs::status(folder.file()).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

// --- file systems -------------------------------------------------------------------------------------------------------------------

TEST_CASE("file systems that machines may share are known by number and type", "[driver][sqlite][files]") {
  using visor::sqlite_driver::file_system_facts;
  using visor::sqlite_driver::shared_file_system;
  constexpr std::string_view mounts =
      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
      "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "40 27 0:50 / /mnt/with\\040blank rw,relatime shared:1 - fuse.sshfs me@there:/x rw\n"
      "41 27 0:51 / /home rw,relatime shared:2 master:3 - fuse.gocryptfs /dev/x rw\n"
      "42 27 0:52 / /data rw,relatime - virtiofs data rw\n"
      "43 27 0:53 / /mnt/c rw,relatime - 9p drvfs rw\n"
      "44 27 8:1 / /usb rw,relatime - fuseblk /dev/sdb1 rw\n"
      "45 27 0:5 / /broken rw,relatime\n";
  struct row {
    std::uint32_t magic;
    unsigned major, minor;
    std::string_view expected;
  };
  constexpr std::uint32_t fuse = 0x65735546, plan9 = 0x01021997;
  for (auto const& each : std::to_array<row>({
           {0xEF53, 254, 0, ""},      // ext4
           {0x58465342, 254, 1, ""},  // XFS
           {0x9123683E, 0, 77, ""},   // btrfs
           {0x01021994, 0, 24, ""},   // tmpfs
           {0x794C7630, 0, 60, ""},   // overlay
           {0x2FC12FC1, 0, 61, ""},   // ZFS
           {0x6969, 0, 45, "NFS"},
           {0xFF534D42, 0, 46, "CIFS"},
           {0xFE534D42, 0, 46, "SMB"},
           {0x00C36400, 0, 47, "CephFS"},
           {0x0BD00BD0, 0, 48, "Lustre"},
           {0x5346414F, 0, 49, "AFS"},
           {fuse, 0, 50, "fuse.sshfs"},
           {fuse, 0, 51, ""},
           {fuse, 0, 52, "virtiofs"},
           {plan9, 0, 53, "9p"},
           {fuse, 8, 1, ""},
           {fuse, 0, 5, "FUSE"},              // a mount that cannot be read
           {fuse, 0, 99, "FUSE"},             // one that is not listed
           {plan9, 0, 51, "fuse.gocryptfs"},  // whatever the type: 9p is never local
       })) {
    file_system_facts const facts{each.magic, each.major, each.minor, mounts};
    INFO(each.magic << " " << each.minor);
    CHECK(shared_file_system(facts) == each.expected);
  }
}

TEST_CASE("a database that machines may share is refused with the remedy, unless it has a rollback journal", "[driver][sqlite][files]") {
  visor::sqlite_settings settings("/mnt/x.db");
  auto const check = [&](std::string const& shared) {
    return refusal_of([&] { visor::sqlite_driver::check_file_system(settings, shared); });
  };
  CHECK_FALSE(check("").was);
  CHECK(check("NFS").code == visor::errc::unsupported);
  CHECK_THAT(check("NFS").text, Contains("'/mnt/x.db'") && Contains("(NFS)") && Contains("local disk") && Contains("journal to rollback"));
  settings.journal = visor::sqlite_journal::rollback;
  CHECK_FALSE(check("NFS").was);
}

TEST_CASE("a rollback journal leaves nothing beside the file, and hears of others", "[driver][sqlite][files]") {
  temporary_folder const folder;
  {
    open_file one(folder);
  }  // it was written with a log
  auto settings = quick(folder.file());
  settings.journal = visor::sqlite_journal::rollback;
  open_file one(settings), two(settings);
  one.make_table();
  CHECK_FALSE(fs::exists(folder.file() + "-wal"));
  CHECK_FALSE(fs::exists(folder.file() + "-shm"));
  std::atomic<int> calls{0};
  one.database.watch([&] { ++calls; });
  std::this_thread::sleep_for(300ms);
  auto const before = calls.load();
  CHECK_FALSE(two.write().was);
  CHECK_FALSE(one.look().was);
  auto const end = std::chrono::steady_clock::now() + 2s;
  while (calls == before && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  CHECK(calls > before);
  CHECK_FALSE(one.write().was);
  CHECK(other_connection(folder.file()).value("PRAGMA journal_mode") == "delete");
  one.database.watch({});
}

}  // namespace visor_test
