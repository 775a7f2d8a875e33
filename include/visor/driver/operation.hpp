#ifndef VISOR_DRIVER_OPERATION_HPP
#define VISOR_DRIVER_OPERATION_HPP

namespace visor::detail {

/// A reference to an operation over a session, in the frame of its caller. The code of a driver around operations takes this instead of a
/// type for each: it is compiled once, and not as often as a store has operations.
template <class Session>
class operation_ref {
 public:
  using result = typename Session::template async<void>;

  template <class Op>
  static operation_ref to(Op& op) {
    return operation_ref(const_cast<void*>(static_cast<void const*>(&op)),
                         [](void* that, Session& on) -> result { return (*static_cast<Op*>(that))(on); });
  }

  result operator()(Session& on) const { return call_(op_, on); }

 private:
  operation_ref(void* op, result (*call)(void*, Session&)) : op_(op), call_(call) {}

  void* op_;
  result (*call_)(void*, Session&);
};

}  // namespace visor::detail

#endif
