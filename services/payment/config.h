#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/core/secret.h"
#include "common/core/time.h"
#include "services/payment/providers/stripe/wire.h"

namespace flowstack::config {
class Reader;
}

// This service's own settings. Every wait is one, so that tests never sleep.
namespace flowstack::payment {

struct PaymentConfig {
    std::string http_address;
    std::uint16_t http_port = 0;
    std::size_t callback_bytes_max = 0;
    // What providers are told; PAYMENT_PUBLIC_BASE_URL, or PUBLIC_BASE_URL.
    std::string public_base_url;

    std::string daraja_base_url;
    std::string stripe_base_url;
    std::string stripe_api_version;
    stripe::CurrencyForms stripe_currencies;
    std::chrono::milliseconds signature_tolerance{};
    std::chrono::milliseconds same_key_wait{};
    std::chrono::milliseconds push_timeout{};
    std::chrono::milliseconds query_timeout{};
    std::chrono::milliseconds attempt_start_max{};
    std::chrono::milliseconds attempt_resolve_within{};
    std::chrono::milliseconds push_retry_after{};
    std::chrono::milliseconds unclear_after{};
    std::chrono::milliseconds poll_first_after{};
    std::vector<std::chrono::milliseconds> poll_plan;
    std::chrono::milliseconds late_poll_interval{};
    std::chrono::milliseconds late_polls_for{};
    std::chrono::milliseconds query_interval{};
    std::chrono::milliseconds intent_expires_after{};
    std::chrono::milliseconds invoice_due_after{};
    std::chrono::milliseconds token_margin{};
    std::chrono::milliseconds push_wait{};
    int provider_calls_max = 0;
};

PaymentConfig payment_config(config::Reader& reader);

// When to ask again after `polls` queries, or nothing when that would be after the end.
std::optional<Time> next_poll(const PaymentConfig& config, int polls, Time now, Time expires_at);

// The same for a payment that expired while nobody could say what became of it.
std::optional<Time> next_late_poll(const PaymentConfig& config, Time now, Time expires_at);

}  // namespace flowstack::payment
