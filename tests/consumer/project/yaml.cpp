#include <visor/config/yaml.hpp>

#include <iostream>

int main() {
  auto const settings = visor::parse_settings("scheduler: {node: {drain_timeout: 1m}}", "visor.yaml");
  if (settings.node.drain_timeout != std::chrono::minutes{1}) return 1;
  std::cout << "visor with a file\n";
}
