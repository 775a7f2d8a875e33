#ifndef VISOR_WEBHOOK_HPP
#define VISOR_WEBHOOK_HPP

/// \file
/// Jobs that call a URL. Link OpenSSL (`visor::webhook` in CMake).
#include "visor/handler/webhook.hpp"

#endif
