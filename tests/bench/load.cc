#include "tests/bench/load.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>

namespace flowstack::bench {
namespace {

constexpr std::string_view kMark = "flowstack-load:";
constexpr std::size_t kDigits = 12;

}  // namespace

std::string load_payload(std::int64_t seq) {
    auto payload = fmt::format("{}{:0{}}", kMark, seq, kDigits);
    payload.resize(kLoadBytes, 'x');
    return payload;
}

std::int64_t load_seq(std::string_view bytes) {
    const auto at = bytes.find(kMark);
    if (at == std::string_view::npos || bytes.size() < at + kMark.size() + kDigits) return -1;
    const char* digits = bytes.data() + at + kMark.size();
    std::int64_t seq = -1;
    std::from_chars(digits, digits + kDigits, seq);
    return seq;
}

eventlog::Command load_command(std::int64_t seq, int batch) {
    const auto key = "a" + std::to_string(load_key(seq, batch));
    eventlog::Command command;
    command.id = "load-" + std::to_string(seq);
    command.tenant = "bench";
    command.meta.routing = {eventlog::RoutingKind::customer, key};
    eventlog::Part part{{"bench", "load", key}, eventlog::kAny, {}};
    for (int i = 0; i < batch; ++i) {
        eventlog::NewEvent event;
        event.type = "flowstack.bench.v1.Load";
        event.payload = load_payload(seq + i);
        event.occurred_at = from_unix_micros(1'700'000'000'000'000 + seq);
        part.events.push_back(std::move(event));
    }
    command.parts.push_back(std::move(part));
    return command;
}

void pace(int rate, int batch, std::int64_t first, std::int64_t count,
          const std::function<void(std::int64_t)>& write) {
    const auto began = now_us();
    for (std::int64_t done = 0; done < count; done += batch) {
        sleep_until_us(began + done * 1'000'000 / rate);
        write(first + done);
    }
}

Timeline::Timeline(const std::string& path, std::int64_t count)
    : bytes_(static_cast<std::size_t>(count) * sizeof(std::int64_t)) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat there {};
    // Never shorter: the other process has mapped all of it.
    if (fd < 0 || fstat(fd, &there) != 0 ||
        (there.st_size < static_cast<off_t>(bytes_) &&
         ftruncate(fd, static_cast<off_t>(bytes_)) != 0))
        throw std::runtime_error("cannot make " + path);
    void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) throw std::runtime_error("cannot map " + path);
    times_ = static_cast<std::int64_t*>(at);
}

Timeline::~Timeline() { munmap(times_, bytes_); }

}  // namespace flowstack::bench
