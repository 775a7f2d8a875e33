#ifndef VISOR_DRIVER_SQLITE_FILE_SYSTEM_HPP
#define VISOR_DRIVER_SQLITE_FILE_SYSTEM_HPP

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace visor::sqlite_driver {

/// The kernel's facts about the file system that holds a file.
struct file_system_facts {
  std::uint32_t magic = 0;  ///< `f_type` of statfs(2)
  unsigned major = 0;       ///< of the device, as in the third field of /proc/self/mountinfo
  unsigned minor = 0;
  std::string_view mounts;  ///< the text of /proc/self/mountinfo
};

namespace detail {

struct known_file_system {
  std::uint32_t magic;
  std::string_view name;
};

/// File systems whose files several machines can have open at once. The numbers are those of linux/magic.h and of the projects themselves.
inline constexpr auto shared_file_systems = std::to_array<known_file_system>({
    {0x00006969, "NFS"},
    {0x0000517B, "SMB"},
    {0xFE534D42, "SMB"},
    {0xFF534D42, "CIFS"},
    {0x00C36400, "CephFS"},
    {0x0BD00BD0, "Lustre"},
    {0x5346414F, "AFS"},
    {0x6B414653, "AFS"},
    {0x73757245, "Coda"},
    {0x0000564C, "NCP"},
    {0x47504653, "GPFS"},
    {0x19830326, "BeeGFS"},
    {0x20030528, "OrangeFS"},
    {0xAAD7AAEA, "PanFS"},
    {0x01161970, "GFS2"},
    {0x7461636F, "OCFS2"},
    {0x786F4256, "vboxsf"},
    {0xBACBACBC, "VMware's shared folders"},
    {0x7C7C6673, "Parallels' shared folders"},
});

inline constexpr std::uint32_t fuse_magic = 0x65735546;  // virtiofs too
inline constexpr std::uint32_t plan9_magic = 0x01021997;

/// FUSE file systems that only present files on this machine's own disks, with one view for all of its processes.
inline constexpr auto local_fuse_types = std::to_array<std::string_view>({
    "fuseblk",
    "fuse.bindfs",
    "fuse.encfs",
    "fuse.ext2",
    "fuse.fuse-overlayfs",
    "fuse.fuseext2",
    "fuse.gocryptfs",
    "fuse.mergerfs",
    "fuse.ntfs-3g",
    "fuse.unionfs",
    "fuse.unionfs-fuse",
    "fuse.zfs-fuse",
});

/// Returns the type of the mount of a device, from its ninth or a later field: behind the separator `-`. Empty when the device is not
/// listed.
inline std::string_view type_of_mount(std::string_view mounts, unsigned major, unsigned minor) {
  std::string const device = " " + std::to_string(major) + ":" + std::to_string(minor) + " ";
  while (!mounts.empty()) {
    auto const line = mounts.substr(0, mounts.find('\n'));
    mounts.remove_prefix(std::min(line.size() + 1, mounts.size()));
    // The id, the id of the parent, the device. A mount point has its blanks as \040.
    auto const third = line.find(' ', line.find(' ') + 1);
    if (third == std::string_view::npos || !line.substr(third).starts_with(device)) continue;
    auto const separator = line.find(" - ");
    if (separator == std::string_view::npos) continue;
    auto const type = line.substr(separator + 3);
    return type.substr(0, type.find(' '));
  }
  return {};
}

}  // namespace detail

/// Returns the name of a file system that several machines may share; empty for one of this machine's own. SQLite's write-ahead log is not
/// safe on a shared one: it keeps an index in memory that only the processes of one machine share, and needs working locks.
///
/// For FUSE or 9p only the type of the mount identifies the file system; it counts as shared unless that type is known to be local.
inline std::string shared_file_system(file_system_facts const& facts) {
  for (auto const& each : detail::shared_file_systems)
    if (each.magic == facts.magic) return std::string(each.name);
  if (facts.magic != detail::fuse_magic && facts.magic != detail::plan9_magic) return {};
  auto const type = detail::type_of_mount(facts.mounts, facts.major, facts.minor);
  if (facts.magic == detail::fuse_magic && std::ranges::find(detail::local_fuse_types, type) != detail::local_fuse_types.end()) return {};
  if (!type.empty()) return std::string(type);
  return facts.magic == detail::fuse_magic ? "FUSE" : "9p";
}

/// The same for an existing file or folder. Also empty where the kernel gives no answer.
inline std::string shared_file_system_of(std::string const& path) {
  struct statfs system{};
  struct stat about{};
  if (::statfs(path.c_str(), &system) != 0 || ::stat(path.c_str(), &about) != 0) return {};
  file_system_facts facts{static_cast<std::uint32_t>(system.f_type), ::major(about.st_dev), ::minor(about.st_dev), {}};
  std::string mounts;
  if (facts.magic == detail::fuse_magic || facts.magic == detail::plan9_magic) {
    std::ifstream file("/proc/self/mountinfo");
    mounts.assign(std::istreambuf_iterator<char>(file), {});
    facts.mounts = mounts;
  }
  return shared_file_system(facts);
}

}  // namespace visor::sqlite_driver

#endif
