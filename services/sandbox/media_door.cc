// Files: uploads of businesses, files of customers, and the addresses that are good for five
// minutes.
#include <algorithm>
#include <array>

#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr Milliseconds kUploadKept{30LL * 24 * 3600 * 1000};
constexpr Milliseconds kAddressGood{5LL * 60 * 1000};

struct Type {
    std::string_view mime_type;
    std::string_view kind;  // which messages may carry it
    std::size_t bytes_max;
};
constexpr std::size_t kMib = 1024 * 1024;
constexpr std::array kTypes{
    Type{"image/jpeg", "image", 5 * kMib},
    Type{"image/png", "image", 5 * kMib},
    Type{"image/webp", "sticker", 500 * 1024},
    Type{"audio/aac", "audio", 16 * kMib},
    Type{"audio/amr", "audio", 16 * kMib},
    Type{"audio/mpeg", "audio", 16 * kMib},
    Type{"audio/mp4", "audio", 16 * kMib},
    Type{"audio/ogg", "audio", 16 * kMib},
    Type{"video/mp4", "video", 16 * kMib},
    Type{"video/3gpp", "video", 16 * kMib},
    Type{"text/plain", "document", 100 * kMib},
    Type{"application/pdf", "document", 100 * kMib},
    Type{"application/msword", "document", 100 * kMib},
    Type{"application/vnd.ms-excel", "document", 100 * kMib},
    Type{"application/vnd.ms-powerpoint", "document", 100 * kMib},
    Type{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document",
         100 * kMib},
    Type{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "document",
         100 * kMib},
    Type{"application/vnd.openxmlformats-officedocument.presentationml.presentation", "document",
         100 * kMib},
};

const Type* type_of(std::string_view mime_type) {
    const auto plain = mime_type.substr(0, mime_type.find_first_of("; "));
    const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                    [&](const Type& type) { return type.mime_type == plain; });
    return found == kTypes.end() ? nullptr : &*found;
}

struct FormPart {
    std::string name;
    std::string content_type;
    std::string value;
};

// The quoted value of an attribute: name="file".
std::string attribute(std::string_view line, std::string_view name) {
    const auto at = line.find(std::string{name} + "=\"");
    if (at == std::string_view::npos) return {};
    const auto from = at + name.size() + 2;
    const auto to = line.find('"', from);
    return to == std::string_view::npos ? std::string{} : std::string{line.substr(from, to - from)};
}

// Nothing when the body is no multipart/form-data of this content type.
std::optional<std::vector<FormPart>> parts_of(const std::string& content_type,
                                              std::string_view body) {
    constexpr std::string_view kForm = "multipart/form-data";
    const auto at = content_type.find("boundary=");
    if (!content_type.starts_with(kForm) || at == std::string::npos) return std::nullopt;
    const std::string mark = "--" + content_type.substr(at + 9);
    std::vector<FormPart> parts;
    if (!body.starts_with(mark)) return std::nullopt;
    std::size_t from = mark.size();
    for (;;) {
        if (body.substr(from).starts_with("--")) return parts;
        if (!body.substr(from).starts_with("\r\n")) return std::nullopt;
        from += 2;
        const auto head_end = body.find("\r\n\r\n", from);
        const auto end = body.find("\r\n" + mark, head_end);
        if (head_end == std::string_view::npos || end == std::string_view::npos) {
            return std::nullopt;
        }
        FormPart part;
        std::string_view head = body.substr(from, head_end - from);
        part.name = attribute(head, " name");
        constexpr std::string_view kType = "Content-Type: ";
        if (const auto type = head.find(kType); type != std::string_view::npos) {
            const auto line_end = std::min(head.find("\r\n", type), head.size());
            part.content_type =
                std::string{head.substr(type + kType.size(), line_end - type - kType.size())};
        }
        part.value = std::string{body.substr(head_end + 4, end - head_end - 4)};
        parts.push_back(std::move(part));
        from = end + 2 + mark.size();
    }
}

const FormPart* part_named(const std::vector<FormPart>& parts, std::string_view name) {
    const auto found = std::find_if(parts.begin(), parts.end(),
                                    [&](const FormPart& part) { return part.name == name; });
    return found == parts.end() ? nullptr : &*found;
}

// The ids of files in a message, each with the kind of the member that names it.
void collect_files(const json::value& value,
                   std::vector<std::pair<std::string, std::string>>& found) {
    constexpr std::array<std::string_view, 5> kKinds{"image", "audio", "video", "document",
                                                     "sticker"};
    if (value.is_array()) {
        for (const json::value& item : value.get_array()) collect_files(item, found);
    }
    if (!value.is_object()) return;
    for (const auto& [name, inner] : value.get_object()) {
        const std::string_view key{name.data(), name.size()};
        if (std::find(kKinds.begin(), kKinds.end(), key) != kKinds.end()) {
            if (const auto id = text_at(inner, "id")) found.emplace_back(std::string{key}, *id);
        }
        collect_files(inner, found);
    }
}

}  // namespace

std::optional<CustomerFile> customer_file(const json::value& described) {
    constexpr std::array<std::string_view, 5> kKinds{"image", "audio", "video", "document",
                                                     "sticker"};
    CustomerFile file;
    file.kind = text_or(described, "kind", "image");
    auto bytes = from_base64(text_or(described, "base64", ""));
    if (!bytes || std::find(kKinds.begin(), kKinds.end(), file.kind) == kKinds.end())
        return std::nullopt;
    file.mime_type = text_or(described, "mime_type", "image/jpeg");
    file.caption = text_or(described, "caption", "");
    file.bytes = std::move(*bytes);
    return file;
}

MediaFile& Sandbox::keep_media(const std::string& number_id, std::string mime_type,
                               std::string bytes, Milliseconds kept_for, std::string id) {
    if (state_.media_order.size() >= State::kMediaMax) {
        state_.media.erase(state_.media_order.front());
        state_.media_order.pop_front();
    }
    MediaFile file;
    file.id = id.empty() ? random_text(16, "123456789") : std::move(id);
    file.number_id = number_id;
    file.mime_type = std::move(mime_type);
    file.bytes = std::move(bytes);
    file.until = world_.now() + kept_for;
    state_.media_order.push_back(file.id);
    return state_.media[file.id] = std::move(file);
}

MediaFile* Sandbox::find_media(const std::string& id) {
    const auto it = state_.media.find(id);
    return it == state_.media.end() || it->second.until <= world_.now() ? nullptr : &it->second;
}

std::optional<GraphError> Sandbox::judge_files(const Number& number, const json::value& body) {
    std::vector<std::pair<std::string, std::string>> files;
    collect_files(body, files);
    for (const auto& [kind, id] : files) {
        const MediaFile* file = find_media(id);
        if (file == nullptr || file->number_id != number.id) {
            return graph_error(131053, kind + ".id: there is no such media: " + id);
        }
        const Type* type = type_of(file->mime_type);
        if (type == nullptr || (type->kind != kind && kind != "document")) {
            return graph_error(131053, kind + ".id: this media is " + file->mime_type);
        }
    }
    return std::nullopt;
}

void Sandbox::upload_media(const Call& call, const Number& number, const Answer& answer,
                           Effects& fx) {
    const auto refuse_upload = [&](const GraphError& error) {
        note(fx, "upload_rejected",
             {{"provider", "meta"},
              {"phone_number_id", number.id},
              {"code", error.code},
              {"reason", error.message + (error.details.empty() ? "" : ": ") + error.details}});
        reply(fx, answer, {error.http, graph_error_body(error, new_request_id())});
    };
    const auto parts = parts_of(call.header("content-type"), call.body);
    if (!parts) return refuse_upload(graph_error(100, "The body is not multipart/form-data."));
    const FormPart* product = part_named(*parts, "messaging_product");
    if (product == nullptr || product->value != "whatsapp") {
        return refuse_upload(graph_error(100, "messaging_product must be whatsapp."));
    }
    const FormPart* file = part_named(*parts, "file");
    if (file == nullptr || file->value.empty()) {
        return refuse_upload(graph_error(100, "The parameter file is required."));
    }
    const FormPart* named = part_named(*parts, "type");
    const std::string mime_type = named != nullptr ? named->value : file->content_type;
    const Type* type = type_of(mime_type);
    if (type == nullptr || (!file->content_type.empty() && file->content_type != mime_type)) {
        return refuse_upload(
            graph_error(100, "Param file must be a file with one of the allowed types, got " +
                                 file->content_type + " / " + mime_type));
    }
    if (file->value.size() > type->bytes_max) {
        return refuse_upload(graph_error(131053, "The file is larger than Meta takes."));
    }
    const MediaFile& kept = keep_media(number.id, mime_type, file->value, kUploadKept);
    note(fx, "media_uploaded",
         {{"provider", "meta"},
          {"phone_number_id", number.id},
          {"media_id", kept.id},
          {"mime_type", kept.mime_type},
          {"bytes", kept.bytes.size()}});
    reply(fx, answer, {200, compact(json::object{{"id", kept.id}})});
}

void Sandbox::media_by_id(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    MediaFile& file = *find_media(path[1]);
    const auto owner = state_.numbers.find(file.number_id);
    const std::string token = call.header("authorization");
    const bool allowed =
        owner != state_.numbers.end() &&
        (token == "Bearer " + owner->second.token || token.starts_with("Bearer mock_"));
    const std::string asked_for = call.parameter("phone_number_id");
    if (!allowed || (!asked_for.empty() && asked_for != file.number_id)) {
        return reply(fx, answer,
                     {400, graph_error_body(graph_error(100, "No such media for this number."),
                                            new_request_id())});
    }
    if (call.method == "DELETE") {
        state_.media.erase(path[1]);
        return reply(fx, answer, {200, R"({"success":true})"});
    }
    file.address = random_text(24, "abcdefghijklmnopqrstuvwxyz0123456789");
    file.address_until = world_.now() + kAddressGood;
    reply(fx, answer,
          {200, compact(json::object{{"url", "http://" + call.header("host") + "/media_content/" +
                                                 file.id + "/" + file.address},
                                     {"mime_type", file.mime_type},
                                     {"sha256", sha256_hex(file.bytes)},
                                     {"file_size", std::to_string(file.bytes.size())},
                                     {"id", file.id},
                                     {"messaging_product", "whatsapp"}})});
}

void Sandbox::media_content(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    MediaFile* file = find_media(path[1]);
    if (file == nullptr || file->address != path[2] || file->address_until <= world_.now()) {
        return reply(fx, answer, {404, R"({"error":"this address is no longer good"})"});
    }
    const auto owner = state_.numbers.find(file->number_id);
    const std::string token = call.header("authorization");
    if (owner == state_.numbers.end() ||
        (token != "Bearer " + owner->second.token && !token.starts_with("Bearer mock_"))) {
        return reply(fx, answer, {401, R"({"error":"the token is missing or wrong"})"});
    }
    reply(fx, answer, {200, file->bytes, file->mime_type});
}

}  // namespace flowstack::sandbox
