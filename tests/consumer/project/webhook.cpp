#include <visor/webhook.hpp>

#include <iostream>

int main() {
  auto const call = visor::webhook(visor::webhook_options("https://example.com/hook"));
  std::cout << "visor with a webhook: " << (call ? "made" : "not made") << "\n";
}
