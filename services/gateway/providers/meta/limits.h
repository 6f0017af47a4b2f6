#pragma once

#include <cstddef>

// What the Cloud API takes at most. Lengths are code points, since Meta does not say what it
// counts. Those that its documents do not say are in RecalledLimits and can be set.
namespace flowstack::gateway::meta {

inline constexpr std::size_t kTextMax = 4096;
inline constexpr std::size_t kInteractiveBodyMax = 1024;
inline constexpr std::size_t kHeaderMax = 60;
inline constexpr std::size_t kFooterMax = 60;
inline constexpr std::size_t kButtonTitleMax = 20;
inline constexpr int kButtonsMax = 3;
inline constexpr std::size_t kListLabelMax = 20;
inline constexpr int kRowsMax = 10;
inline constexpr int kSectionsMax = 10;
inline constexpr std::size_t kSectionTitleMax = 24;
inline constexpr std::size_t kRowTitleMax = 24;
inline constexpr std::size_t kRowDescriptionMax = 72;
inline constexpr std::size_t kCaptionMax = 1024;
inline constexpr int kProductsMax = 30;
inline constexpr std::size_t kTemplateNameMax = 512;
inline constexpr std::size_t kLanguageCodeMin = 2;
inline constexpr std::size_t kLanguageCodeMax = 15;
inline constexpr std::size_t kTemplateParameterMax = 1024;
inline constexpr std::size_t kTemplateBodyMax = 1024;
inline constexpr std::size_t kTemplateButtonTextMax = 25;
inline constexpr std::size_t kTemplateUrlMax = 2000;
inline constexpr std::size_t kTemplatePhoneMax = 20;
inline constexpr std::size_t kCallbackDataMax = 512;

// Of a media file, in bytes.
inline constexpr std::size_t kImageBytesMax = std::size_t{5} << 20;
inline constexpr std::size_t kAudioBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kVideoBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kDocumentBytesMax = std::size_t{100} << 20;
inline constexpr std::size_t kStickerBytesMax = std::size_t{500} << 10;

// Ours, so that nothing is without a limit.
inline constexpr std::size_t kLinkMax = 2048;
inline constexpr std::size_t kFilenameMax = 240;
inline constexpr std::size_t kPlaceTextMax = 1000;
inline constexpr std::size_t kIdMax = 512;  // of messages, catalogs, products, forms, screens
inline constexpr std::size_t kCardTextMax = 1000;
inline constexpr int kCardPartsMax = 20;  // phones, emails, links of one address card
inline constexpr std::size_t kEmojiBytesMax = 64;
inline constexpr int kTemplateParametersMax = 100;
inline constexpr std::size_t kTemplateExampleMax = 1024;
inline constexpr std::size_t kSampleHandleMax = 4096;
inline constexpr std::size_t kFormDataBytesMax = 16 * 1024;

// Known by practice and not from Meta's documents: the setting META_LIMITS changes them.
struct RecalledLimits {
    int contacts_max = 257;
    std::size_t link_title_max = 20;
    std::size_t form_button_max = 20;
    int template_buttons_max = 10;
    std::size_t quick_reply_payload_max = 128;
    std::size_t url_suffix_max = 2000;
    std::size_t copy_code_max = 15;
    int carousel_cards_min = 2;
    int carousel_cards_max = 10;
    int card_buttons_max = 2;
};

}  // namespace flowstack::gateway::meta
