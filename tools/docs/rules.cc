#include <fstream>
#include <stdexcept>

#include "tools/docs/documents.h"

// The alerts of deploy/observability/alerts.yaml as the object that the Prometheus operator reads:
// Kustomize cannot put a file into another object's field.
namespace flowstack::docs {

void add_rules(const std::filesystem::path& root, Documents& documents) {
    constexpr auto kAlerts = "deploy/observability/alerts.yaml";
    std::ifstream file(root / kAlerts);
    std::string rules =
        "# Made of deploy/observability/alerts.yaml (flowstack-docs write); a test holds it "
        "equal.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        "  name: flowstack\n"
        "  labels: {app.kubernetes.io/component: monitoring}\n"
        "spec:\n";
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        inside = inside || line == "groups:";
        if (inside) rules += line.empty() ? "\n" : "  " + line + "\n";
    }
    if (!inside) throw std::runtime_error(std::string(kAlerts) + " has no line \"groups:\"");
    documents["deploy/k8s/components/prometheus-operator/rules.yaml"] = rules;
}

}  // namespace flowstack::docs
