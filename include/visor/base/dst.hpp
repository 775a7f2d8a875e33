#ifndef VISOR_BASE_DST_HPP
#define VISOR_BASE_DST_HPP

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <optional>

namespace visor {

/// The treatment of a time of day that the clocks skip: run once, at the first instant after the gap, or not at all.
BOOST_DEFINE_ENUM_CLASS(dst_gap, run, skip)

/// The treatment of a time of day that the clocks repeat: run the first time, both times, or the last time.
BOOST_DEFINE_ENUM_CLASS(dst_overlap, first, both, last)

/// The behaviour of a schedule when the clocks change. An unset member follows the hour of the expression. Fixed hours (numbers, lists,
/// ranges, `H`) mean `run` and `first`; an interval (`*`, `*/n`, `a/n`, `H/n`) follows real time, which is `skip` and `both`.
struct dst_policy {
  std::optional<dst_gap> gap;
  std::optional<dst_overlap> overlap;
  friend bool operator==(dst_policy const&, dst_policy const&) = default;
};
BOOST_DESCRIBE_STRUCT(dst_policy, (), (gap, overlap))

}  // namespace visor

#endif
