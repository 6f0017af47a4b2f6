#include "common/http/failure_text.h"

#include <curl/curl.h>

namespace flowstack::http {

std::string failure_text(int curl_code, const std::string& detail) {
    const auto with_detail = [&](std::string text) {
        if (!detail.empty()) text += ": " + detail;
        return text;
    };
    switch (curl_code) {
        case CURLE_OK:
            return "the connection closed before the answer's headers were complete";

        // Nothing was sent.
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
            return with_detail("the address cannot be called");
        case CURLE_COULDNT_RESOLVE_HOST:
            return with_detail("the host name was not found");
        case CURLE_COULDNT_RESOLVE_PROXY:
            return with_detail("the proxy's host name was not found");
        case CURLE_COULDNT_CONNECT:
            return with_detail("no connection to the host");
        case CURLE_PROXY:
            return with_detail("the proxy made no connection");
        case CURLE_INTERFACE_FAILED:
        case CURLE_NO_CONNECTION_AVAILABLE:
            return with_detail("this machine could not open a connection");
        case CURLE_SSL_CONNECT_ERROR:
            return with_detail("the TLS connection failed");
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_INVALIDCERTSTATUS:
            return with_detail("the host's TLS certificate is not trusted");
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CRL_BADFILE:
        case CURLE_SSL_ENGINE_NOTFOUND:
        case CURLE_SSL_ENGINE_SETFAILED:
        case CURLE_SSL_CIPHER:
            return with_detail("TLS is not set up on this machine");

        case CURLE_OPERATION_TIMEDOUT:
            return with_detail("no whole answer in time");

        // A connection that was kept open turned out to be closed when the request was written on
        // it. libcurl would send the request again by itself, which our body reader refuses.
        case CURLE_SEND_FAIL_REWIND:
        case CURLE_GOT_NOTHING:
            return "the connection closed before an answer";
        case CURLE_SEND_ERROR:
        case CURLE_READ_ERROR:
            return "the connection broke while the request was sent";
        case CURLE_RECV_ERROR:
            return "the connection broke before the answer was whole";
        case CURLE_PARTIAL_FILE:
            return "the connection closed in the middle of the answer";

        // Something answered, and it cannot be used.
        case CURLE_WEIRD_SERVER_REPLY:
            return with_detail("the answer is not HTTP");
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_HTTP3:
        case CURLE_QUIC_CONNECT_ERROR:
            return with_detail("the host ended the call in the HTTP protocol");
        case CURLE_BAD_CONTENT_ENCODING:
            return with_detail("the answer's compression cannot be read");
        case CURLE_TOO_MANY_REDIRECTS:
            return with_detail("the answer only names other addresses");
        case CURLE_FILESIZE_EXCEEDED:
        case CURLE_WRITE_ERROR:
            return with_detail("the answer could not be taken");

        case CURLE_OUT_OF_MEMORY:
            return "this process has no memory left for the call";
        case CURLE_ABORTED_BY_CALLBACK:
            return "the call was given up";
        default:
            return with_detail("the call failed (libcurl " + std::to_string(curl_code) + ", " +
                               curl_easy_strerror(static_cast<CURLcode>(curl_code)) + ")");
    }
}

}  // namespace flowstack::http
