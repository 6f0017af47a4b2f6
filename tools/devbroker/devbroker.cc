// flowstack-devbroker: librdkafka's mock cluster as a process of its own.
//
//   flowstack-devbroker [--address-file FILE] [--lanes N]
//
// Speaks enough of the Kafka protocol for the relay and the consumers, keeps everything in memory
// (5 MiB or 100,000 batches a partition) and starts at once. For fast integration tests and for
// machines that cannot have Kafka; never for anything that must survive. The port is chosen by the
// system: the bootstrap address is printed and, if asked, written to FILE. SIGTERM and SIGINT end
// it with status 0.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

constexpr int kBrokers = 1;
constexpr int kReplicas = 1;
constexpr int kLanesDefault = 4;
constexpr int kLanesMax = 1024;
constexpr const char* kTopics[] = {
    "flowstack.gateway.events",  "flowstack.conversation.events", "flowstack.payment.events",
    "flowstack.followup.events", "flowstack.campaign.events",
};

struct Options {
    std::string address_file;
    int lanes = kLanesDefault;
};

// Answers nothing after a mistake, which it has written to stderr.
std::optional<Options> parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view flag = argv[i];
        const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
        if (flag == "--address-file" && !value.empty()) {
            options.address_file = value;
        } else if (flag == "--lanes") {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), options.lanes);
            if (error != std::errc{} || end != value.data() + value.size() || options.lanes < 1 ||
                options.lanes > kLanesMax) {
                std::fprintf(stderr, "--lanes wants a number from 1 to %d\n", kLanesMax);
                return std::nullopt;
            }
        } else {
            std::fprintf(stderr, "usage: flowstack-devbroker [--address-file FILE] [--lanes N]\n");
            return std::nullopt;
        }
    }
    return options;
}

// Readers wait for the file to appear, so it appears whole.
bool write_whole(const std::string& path, const std::string& line) {
    const std::string draft = path + ".new";
    {
        std::ofstream out{draft};
        out << line << '\n';
        if (!out.flush()) return false;
    }
    return std::rename(draft.c_str(), path.c_str()) == 0;
}

// The handle never connects anywhere; without this librdkafka would complain about it at every
// start.
rd_kafka_conf_t* quiet_conf() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "4", nullptr, 0);
    return conf;
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = parse(argc, argv);
    if (!options) return 2;

    // Blocked before librdkafka starts its threads, so that sigwait below is the only receiver.
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, nullptr);

    char error[512] = "";
    const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> handle{
        rd_kafka_new(RD_KAFKA_PRODUCER, quiet_conf(), error, sizeof error), rd_kafka_destroy};
    if (!handle) {
        std::fprintf(stderr, "librdkafka did not start: %s\n", error);
        return 1;
    }
    const std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)>
        cluster{rd_kafka_mock_cluster_new(handle.get(), kBrokers), rd_kafka_mock_cluster_destroy};
    if (!cluster) {
        std::fprintf(stderr, "the mock cluster did not start\n");
        return 1;
    }
    // A topic that the cluster creates by itself would have four partitions, whatever the number of
    // lanes.
    for (const char* topic : kTopics) {
        const auto result =
            rd_kafka_mock_topic_create(cluster.get(), topic, options->lanes, kReplicas);
        if (result != RD_KAFKA_RESP_ERR_NO_ERROR) {
            std::fprintf(stderr, "topic %s: %s\n", topic, rd_kafka_err2str(result));
            return 1;
        }
    }

    const std::string address = rd_kafka_mock_cluster_bootstraps(cluster.get());
    if (!options->address_file.empty() && !write_whole(options->address_file, address)) {
        std::perror(options->address_file.c_str());
        return 1;
    }
    std::printf("%s\n", address.c_str());
    std::fflush(stdout);

    int signal_number = 0;
    sigwait(&ending, &signal_number);
    return 0;
}
