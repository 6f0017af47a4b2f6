// A target needs one source file; this one belongs to the targets that only precompile headers.
int main() {}
