#include "common/postgres/session.h"

#include <libpq-fe.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstring>

namespace flowstack::postgres {
namespace {

constexpr std::uint32_t kBool = 16, kBytea = 17, kInt8 = 20, kInt4 = 23, kText = 25, kUuid = 2950,
                        kTimestamptz = 1184;
constexpr std::uint32_t kBoolArray = 1000, kByteaArray = 1001, kInt4Array = 1007, kInt8Array = 1016,
                        kTextArray = 1009, kUuidArray = 2951, kTimestamptzArray = 1185;
// PostgreSQL counts from 2000-01-01.
constexpr std::int64_t kEpoch2000Us = 946'684'800'000'000;

template <class T>
void put(std::string& out, T value) {
    for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> shift));
}

template <class T>
T get(const char* at) {
    std::make_unsigned_t<T> value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value =
            static_cast<std::make_unsigned_t<T>>((value << 8) | static_cast<unsigned char>(at[i]));
    return static_cast<T>(value);
}

std::int64_t pg_time(Time at) { return at.time_since_epoch().count() - kEpoch2000Us; }

PGconn* conn(void* c) { return static_cast<PGconn*>(c); }
PGresult* res(const std::shared_ptr<void>& r) { return static_cast<PGresult*>(r.get()); }

[[noreturn]] void throw_sql_error(const PGresult* result) {
    const auto field = [&](int code) {
        const char* text = PQresultErrorField(result, code);
        return std::string(text ? text : "");
    };
    throw SqlError(field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY),
                   field(PG_DIAG_MESSAGE_DETAIL));
}

bool is_error(const PGresult* result) {
    const auto status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

}  // namespace

std::string client_certificate_of(const std::string& url) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(url.c_str(), nullptr), PQconninfoFree);
    for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr;
         ++option)
        if (std::string_view(option->keyword) == "sslcert" && option->val != nullptr)
            return option->val;
    return {};
}

// ---------------------------------------------------------------------------------------- Params

void Params::finish(std::uint32_t type, bool is_null) {
    ends_.push_back(buffer_.size());
    types_.push_back(type);
    nulls_.push_back(is_null);
}

Params& Params::add(std::int32_t value) {
    put(buffer_, value);
    finish(kInt4);
    return *this;
}
Params& Params::add(std::int64_t value) {
    put(buffer_, value);
    finish(kInt8);
    return *this;
}
Params& Params::add(bool value) {
    buffer_.push_back(value ? 1 : 0);
    finish(kBool);
    return *this;
}
Params& Params::add(std::string_view text) {
    buffer_.append(text);
    finish(kText);
    return *this;
}
Params& Params::add(const Uuid& id) {
    buffer_.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
    finish(kUuid);
    return *this;
}
Params& Params::add(Time at) {
    put(buffer_, pg_time(at));
    finish(kTimestamptz);
    return *this;
}
Params& Params::add_bytes(std::string_view bytes) {
    buffer_.append(bytes);
    finish(kBytea);
    return *this;
}
Params& Params::add_null() {
    finish(0, true);
    return *this;
}

template <class Range, class Write>
Params& Params::array(std::uint32_t array_type, std::uint32_t element_type, const Range& values,
                      Write write) {
    if (values.empty()) {
        if (empty_arrays_are_null_) {
            finish(array_type, true);
            return *this;
        }
        put(buffer_, std::int32_t{0});
        put(buffer_, std::int32_t{0});
        put(buffer_, static_cast<std::int32_t>(element_type));
        finish(array_type);
        return *this;
    }
    put(buffer_, std::int32_t{1});
    put(buffer_, std::int32_t{1});  // may hold nulls
    put(buffer_, static_cast<std::int32_t>(element_type));
    put(buffer_, static_cast<std::int32_t>(values.size()));
    put(buffer_, std::int32_t{1});
    for (const auto& value : values) {
        const auto length_at = buffer_.size();
        put(buffer_, std::int32_t{0});
        const bool present = write(buffer_, value);
        const auto length =
            present ? static_cast<std::int32_t>(buffer_.size() - length_at - 4) : std::int32_t{-1};
        for (int i = 0; i < 4; ++i)
            buffer_[length_at + static_cast<std::size_t>(i)] =
                static_cast<char>(static_cast<std::uint32_t>(length) >> (24 - 8 * i));
    }
    finish(array_type);
    return *this;
}

Params& Params::add_array(std::span<const std::int32_t> values) {
    return array(kInt4Array, kInt4, values, [](std::string& out, std::int32_t v) {
        put(out, v);
        return true;
    });
}
Params& Params::add_array(std::span<const std::optional<std::int32_t>> values) {
    return array(kInt4Array, kInt4, values, [](std::string& out, std::optional<std::int32_t> v) {
        if (v) put(out, *v);
        return v.has_value();
    });
}
Params& Params::add_array(std::span<const std::int64_t> values) {
    return array(kInt8Array, kInt8, values, [](std::string& out, std::int64_t v) {
        put(out, v);
        return true;
    });
}
Params& Params::add_array(std::span<const std::optional<std::int64_t>> values) {
    return array(kInt8Array, kInt8, values, [](std::string& out, std::optional<std::int64_t> v) {
        if (v) put(out, *v);
        return v.has_value();
    });
}
Params& Params::add_bool_array(std::span<const std::uint8_t> values) {
    return array(kBoolArray, kBool, values, [](std::string& out, std::uint8_t v) {
        out.push_back(v ? 1 : 0);
        return true;
    });
}
Params& Params::add_array(std::span<const std::string_view> texts) {
    return array(kTextArray, kText, texts, [](std::string& out, std::string_view v) {
        out.append(v);
        return true;
    });
}
Params& Params::add_array(std::span<const std::string> texts) {
    return array(kTextArray, kText, texts, [](std::string& out, const std::string& v) {
        out.append(v);
        return true;
    });
}
Params& Params::add_bytes_array(std::span<const std::string_view> values) {
    return array(kByteaArray, kBytea, values, [](std::string& out, std::string_view v) {
        out.append(v);
        return true;
    });
}
Params& Params::add_array(std::span<const Uuid> ids) {
    return array(kUuidArray, kUuid, ids, [](std::string& out, const Uuid& v) {
        out.append(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size());
        return true;
    });
}
Params& Params::add_array(std::span<const Time> times) {
    return array(kTimestamptzArray, kTimestamptz, times, [](std::string& out, Time v) {
        put(out, pg_time(v));
        return true;
    });
}

// ---------------------------------------------------------------------------------------- Result

Result::Result(void* result)
    : result_(result, [](void* r) { PQclear(static_cast<PGresult*>(r)); }) {}

int Result::rows() const { return result_ ? PQntuples(res(result_)) : 0; }
int Result::affected() const {
    const char* text = result_ ? PQcmdTuples(res(result_)) : "";
    return *text ? std::stoi(text) : 0;
}
bool Result::null(int row, int column) const { return PQgetisnull(res(result_), row, column) != 0; }

std::string_view Result::bytes(int row, int column) const {
    if (null(row, column))
        throw std::logic_error("postgres: column " + std::to_string(column) + " is null");
    return {PQgetvalue(res(result_), row, column),
            static_cast<std::size_t>(PQgetlength(res(result_), row, column))};
}
std::int32_t Result::int4(int row, int column) const {
    return get<std::int32_t>(bytes(row, column).data());
}
std::int64_t Result::int8(int row, int column) const {
    const auto raw = bytes(row, column);
    return raw.size() == 4 ? get<std::int32_t>(raw.data()) : get<std::int64_t>(raw.data());
}
bool Result::boolean(int row, int column) const { return bytes(row, column)[0] != 0; }
Uuid Result::uuid(int row, int column) const {
    Uuid id;
    std::memcpy(id.bytes.data(), bytes(row, column).data(), id.bytes.size());
    return id;
}
Time Result::time(int row, int column) const {
    return Time{
        std::chrono::microseconds{get<std::int64_t>(bytes(row, column).data()) + kEpoch2000Us}};
}
namespace {

// The elements of an array of eight-byte values. Its binary form: three numbers, then number of
// elements and lower bound (absent when it is empty), then each element's length and bytes; a null
// has the length -1.
std::vector<std::optional<std::int64_t>> elements_of(std::string_view raw) {
    std::vector<std::optional<std::int64_t>> values;
    if (get<std::int32_t>(raw.data()) == 0) return values;
    const auto count = get<std::int32_t>(raw.data() + 12);
    const char* at = raw.data() + 20;
    for (int i = 0; i < count; ++i) {
        const bool is_null = get<std::int32_t>(at) < 0;
        at += 4;
        values.push_back(is_null ? std::nullopt : std::optional(get<std::int64_t>(at)));
        if (!is_null) at += 8;
    }
    return values;
}

}  // namespace

std::vector<std::int64_t> Result::int8_array(int row, int column) const {
    std::vector<std::int64_t> values;
    for (const auto& value : elements_of(bytes(row, column))) values.push_back(value.value());
    return values;
}
std::vector<std::optional<Time>> Result::time_array(int row, int column) const {
    std::vector<std::optional<Time>> times;
    for (const auto& value : elements_of(bytes(row, column)))
        times.push_back(value
                            ? std::optional(Time{std::chrono::microseconds{*value + kEpoch2000Us}})
                            : std::nullopt);
    return times;
}

// --------------------------------------------------------------------------------------- Session

Session::Session(Options options) : options_(std::move(options)) {}
Session::~Session() { disconnect(); }

void Session::disconnect() {
    if (connection_) PQfinish(conn(connection_));
    connection_ = nullptr;
    prepared_.clear();
}

void Session::fail(const std::string& what) {
    const std::string reason = connection_ ? PQerrorMessage(conn(connection_)) : "";
    disconnect();
    throw StoreUnavailable(what + ": " + reason);
}

void Session::connect() {
    if (connection_) return;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.connect_timeout).count();
    const std::string timeout = std::to_string(std::max<std::int64_t>(seconds, 2));
    // Keepalives, so that a dead peer is noticed; a statement that hangs is ended by the server.
    const std::string settings =
        "-c statement_timeout=" + std::to_string(options_.statement_timeout.count()) +
        " -c idle_in_transaction_session_timeout=" +
        std::to_string(options_.idle_in_transaction_timeout.count()) +
        (options_.synchronous_commit ? "" : " -c synchronous_commit=off") +
        // Every statement here reads by a key. A plan that was made while its table was small must
        // still serve when the table has grown, since new statistics may be minutes away.
        " -c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c timezone=UTC";
    const char* keys[] = {"dbname",          "application_name", "connect_timeout",     "options",
                          "keepalives_idle", "tcp_user_timeout", "keepalives_interval", nullptr};
    const char* values[] = {options_.url.c_str(),
                            options_.application_name.c_str(),
                            timeout.c_str(),
                            settings.c_str(),
                            "10",
                            "15000",
                            "5",
                            nullptr};
    connection_ = PQconnectdbParams(keys, values, 1);
    if (!connection_ || PQstatus(conn(connection_)) != CONNECTION_OK)
        fail("cannot connect to the store");
    PQsetNoticeReceiver(
        conn(connection_), [](void*, const PGresult*) {}, nullptr);
}

void Session::run(const std::string& sql) {
    connect();
    PGresult* raw = PQexec(conn(connection_), sql.c_str());
    if (!raw) fail("connection lost");
    const Result result(raw);
    if (PQstatus(conn(connection_)) != CONNECTION_OK) fail("connection lost");
    if (is_error(raw)) throw_sql_error(raw);
}

// The pointers that libpq wants, into the one buffer that holds all values.
namespace {

std::atomic<const StatementTimer*> statement_timer{nullptr};

struct Timed {
    explicit Timed(const std::string& text) : sql(text) {}
    ~Timed() {
        if (timer != nullptr) (*timer)(sql, std::chrono::steady_clock::now() - since);
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

    const std::string& sql;
    const StatementTimer* timer = statement_timer.load(std::memory_order_acquire);
    std::chrono::steady_clock::time_point since = timer == nullptr
                                                      ? std::chrono::steady_clock::time_point{}
                                                      : std::chrono::steady_clock::now();
};

}  // namespace

void time_statements(const StatementTimer* timer) {
    statement_timer.store(timer, std::memory_order_release);
}

struct Session::Bound {
    explicit Bound(const Params& params)
        : formats(params.size(), 1), types(params.types_.begin(), params.types_.end()) {
        std::size_t begin = 0;
        for (std::size_t i = 0; i < params.size(); ++i) {
            values.push_back(params.nulls_[i] ? nullptr : params.buffer_.data() + begin);
            lengths.push_back(static_cast<int>(params.ends_[i] - begin));
            begin = params.ends_[i];
        }
    }
    int count() const { return static_cast<int>(values.size()); }

    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    std::vector<Oid> types;
};

// The name of the prepared statement, made when it is first used. Empty when there are too many, or
// when the server refused to prepare it: the execution then reports the refusal.
std::string Session::prepared(const std::string& sql, const Bound& bound) {
    constexpr std::size_t kPreparedMax = 200;
    for (const auto& [text, name] : prepared_)
        if (text == sql) return name;
    if (prepared_.size() >= kPreparedMax) return "";
    const auto name = "s" + std::to_string(prepared_.size());
    PGresult* raw =
        PQprepare(conn(connection_), name.c_str(), sql.c_str(), bound.count(), bound.types.data());
    if (!raw) fail("connection lost");
    const Result made(raw);
    if (PQstatus(conn(connection_)) != CONNECTION_OK) fail("connection lost");
    if (is_error(raw)) return "";
    prepared_.emplace_back(sql, name);
    return name;
}

Result Session::query(const std::string& sql, const Params& params) {
    connect();
    const Timed timed(sql);
    const Bound bound(params);
    const auto name = prepared(sql, bound);
    PGresult* raw =
        name.empty()
            ? PQexecParams(conn(connection_), sql.c_str(), bound.count(), bound.types.data(),
                           bound.values.data(), bound.lengths.data(), bound.formats.data(), 1)
            : PQexecPrepared(conn(connection_), name.c_str(), bound.count(), bound.values.data(),
                             bound.lengths.data(), bound.formats.data(), 1);
    if (!raw) fail("connection lost");
    Result result(raw);
    if (PQstatus(conn(connection_)) != CONNECTION_OK) fail("connection lost");
    if (is_error(raw)) throw_sql_error(raw);
    return result;
}

std::vector<Result> Session::transaction(std::span<const Statement> statements) {
    static const std::string kWhole;
    connect();
    const Timed timed(kWhole);
    PGconn* c = conn(connection_);
    std::vector<Bound> bounds;
    std::vector<std::string> names;
    for (const auto& [sql, params] : statements) {
        bounds.emplace_back(params);
        names.push_back(prepared(sql, bounds.back()));
    }
    if (!PQenterPipelineMode(c)) fail("cannot enter pipeline mode");
    for (std::size_t i = 0; i < statements.size(); ++i) {
        const auto& b = bounds[i];
        const int sent =
            names[i].empty()
                ? PQsendQueryParams(c, statements[i].sql.c_str(), b.count(), b.types.data(),
                                    b.values.data(), b.lengths.data(), b.formats.data(), 1)
                : PQsendQueryPrepared(c, names[i].c_str(), b.count(), b.values.data(),
                                      b.lengths.data(), b.formats.data(), 1);
        if (!sent) fail("cannot send");
    }
    if (!PQpipelineSync(c)) fail("cannot send");

    std::vector<Result> results;
    std::exception_ptr refused;
    // An answer for each statement, then that of the commit: the sync, or a refusal and the sync.
    while (true) {
        PGresult* raw = PQgetResult(c);
        if (!raw) fail("connection lost in a transaction");
        Result result(raw);
        if (PQstatus(c) != CONNECTION_OK) fail("connection lost in a transaction");
        if (PQresultStatus(raw) == PGRES_PIPELINE_SYNC) break;
        if (is_error(raw) && !refused) {
            try {
                throw_sql_error(raw);
            } catch (...) {
                refused = std::current_exception();
            }
        }
        results.push_back(std::move(result));
        while (PGresult* rest = PQgetResult(c)) PQclear(rest);
    }
    PQexitPipelineMode(c);
    if (refused) std::rethrow_exception(refused);
    if (results.size() != statements.size()) fail("answers are missing in a transaction");
    return results;
}

int Session::backend_pid() {
    connect();
    return PQbackendPID(conn(connection_));
}

// ------------------------------------------------------------------------------------------ Pool

struct Pool::State {
    std::mutex mutex;
    std::condition_variable returned;
    std::vector<std::unique_ptr<Session>> idle;
};

Pool::Pool(Session::Options options, int size, std::chrono::milliseconds wait)
    : options_(std::move(options)), wait_(wait), state_(std::make_unique<State>()) {
    for (int i = 0; i < size; ++i) state_->idle.push_back(std::make_unique<Session>(options_));
}
Pool::~Pool() = default;

Pool::Lease::Lease(Pool& from) : pool(from) {
    std::unique_lock lock(pool.state_->mutex);
    if (!pool.state_->returned.wait_for(lock, pool.wait_,
                                        [&] { return !pool.state_->idle.empty(); }))
        throw StoreUnavailable("all sessions are in use");
    session = std::move(pool.state_->idle.back());
    pool.state_->idle.pop_back();
}
Pool::Lease::~Lease() {
    const std::lock_guard lock(pool.state_->mutex);
    pool.state_->idle.push_back(std::move(session));
    pool.state_->returned.notify_one();
}

}  // namespace flowstack::postgres
