#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/broken_world.h"
#include "common/core/time.h"
#include "common/core/uuid.h"

// One connection to PostgreSQL over libpq, binary in both directions.
//
// For the paths where an append takes part: appends, consumer transactions, replay, the owners'
// polls.
namespace flowstack::postgres {

// The store cannot be reached, or the connection broke: whether the last statement counted is
// unknown.
struct StoreUnavailable : Unavailable {
    using Unavailable::Unavailable;
};

// The server refused a statement.
struct SqlError : std::runtime_error {
    SqlError(std::string state, const std::string& message, std::string more)
        : std::runtime_error(state + ": " + message),
          sqlstate(std::move(state)),
          detail(std::move(more)) {}
    std::string sqlstate;
    std::string detail;

    // Another transaction was in the way; the same statement may work now.
    bool retryable() const {
        return sqlstate == "40P01" || sqlstate == "40001" || sqlstate == "55P03";
    }
};

// Parameters of one statement, encoded as they are added. A null array element has no value.
class Params {
public:
    Params& add(std::int32_t value);
    Params& add(std::int64_t value);
    Params& add(bool value);
    Params& add(std::string_view text);
    Params& add(const char* text) { return add(std::string_view(text)); }
    Params& add(const Uuid& id);
    Params& add(Time at);
    Params& add_bytes(std::string_view bytes);
    Params& add_null();

    // An array without elements that is added from here on is sent as null: the server then has
    // nothing to build.
    Params& empty_arrays_are_null() {
        empty_arrays_are_null_ = true;
        return *this;
    }
    Params& add_array(std::span<const std::int32_t> values);
    Params& add_array(std::span<const std::optional<std::int32_t>> values);
    Params& add_array(std::span<const std::int64_t> values);
    Params& add_array(std::span<const std::optional<std::int64_t>> values);
    Params& add_bool_array(std::span<const std::uint8_t> values);
    Params& add_array(std::span<const std::string_view> texts);
    Params& add_array(std::span<const std::string> texts);
    Params& add_bytes_array(std::span<const std::string_view> values);
    Params& add_array(std::span<const Uuid> ids);
    Params& add_array(std::span<const Time> times);

    std::size_t size() const { return ends_.size(); }
    std::size_t bytes() const { return buffer_.size(); }

private:
    friend class Session;
    void finish(std::uint32_t type, bool is_null = false);
    template <class Range, class Write>
    Params& array(std::uint32_t array_type, std::uint32_t element_type, const Range& values,
                  Write write);

    std::string buffer_;
    std::vector<std::size_t> ends_;
    std::vector<std::uint32_t> types_;
    std::vector<bool> nulls_;
    bool empty_arrays_are_null_ = false;
};

// The file of the certificate with which a connection of this URL shows who it is (`sslcert`);
// empty when it names none.
std::string client_certificate_of(const std::string& url);

// The rows of one answer. Typed access by column number; asking for a null is a bug and throws.
class Result {
public:
    Result() = default;
    explicit Result(void* result);  // takes a PGresult

    int rows() const;
    int affected() const;
    bool null(int row, int column) const;
    std::int32_t int4(int row, int column) const;
    std::int64_t int8(int row, int column) const;
    bool boolean(int row, int column) const;
    std::string_view bytes(int row,
                           int column) const;  // text and bytea; valid while the Result lives
    std::string text(int row, int column) const { return std::string(bytes(row, column)); }
    Uuid uuid(int row, int column) const;
    Time time(int row, int column) const;
    std::vector<std::int64_t> int8_array(int row, int column) const;
    std::vector<std::optional<Time>> time_array(int row, int column) const;

private:
    std::shared_ptr<void> result_;
};

// Hears how long each statement took, with its way to the server and back. A transaction is heard
// of as a whole, with an empty text.
using StatementTimer = std::function<void(const std::string& sql, std::chrono::nanoseconds took)>;
// Of every session of this process from now on; null: nobody hears. It must outlive them, and be
// thread-safe.
void time_statements(const StatementTimer* timer);

// Not thread-safe: one thread at a time. Connects when first used and again after a loss; a
// statement that was under way when the connection broke throws StoreUnavailable and is never
// repeated from here.
class Session {
public:
    struct Options {
        std::string url;
        std::string application_name = "flowstack";
        std::chrono::milliseconds statement_timeout{10'000};
        std::chrono::milliseconds idle_in_transaction_timeout{5'000};
        std::chrono::milliseconds connect_timeout{3'000};
        // False: a commit does not wait for the disk, and a crash of the server may lose it.
        bool synchronous_commit = true;
    };
    explicit Session(Options options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Statements without parameters, several of them separated by semicolons allowed.
    void run(const std::string& sql);
    Result query(const std::string& sql, const Params& params = {});

    // All statements in one round trip, as one transaction: the server begins it with the first
    // statement of a pipeline and commits it at the pipeline's end, so no BEGIN and no COMMIT has
    // to be parsed and run. Either all of them count or SqlError is thrown for the first that was
    // refused and nothing does.
    struct Statement {
        std::string sql;
        Params params;
    };
    std::vector<Result> transaction(std::span<const Statement> statements);

    bool connected() const { return connection_ != nullptr; }
    void disconnect();
    // Number of the server process behind this connection, for tests.
    int backend_pid();

private:
    struct Bound;
    void connect();
    std::string prepared(const std::string& sql, const Bound& bound);
    [[noreturn]] void fail(const std::string& what);

    Options options_;
    void* connection_ = nullptr;
    std::vector<std::pair<std::string, std::string>> prepared_;
};

// A bounded set of sessions. Waits when all are lent, at most `wait`; then StoreUnavailable.
class Pool {
public:
    Pool(Session::Options options, int size,
         std::chrono::milliseconds wait = std::chrono::seconds(5));
    ~Pool();

    template <class Fn>
    auto with(Fn fn) {
        Lease lease(*this);
        return fn(*lease.session);
    }

private:
    struct Lease {
        explicit Lease(Pool& pool);
        ~Lease();
        Pool& pool;
        std::unique_ptr<Session> session;
    };
    struct State;
    Session::Options options_;
    std::chrono::milliseconds wait_;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::postgres
