// Under ThreadSanitizer this header gives its classes two members more than Debian's libprotobuf
// and our own uninstrumented wire formats were built with: every message with a map would be read
// at the wrong places. In front of the system's only in the tsan preset.
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
