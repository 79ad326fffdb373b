// How the driver reaches the kernels: through functions of a shared object; or, so that a sanitizer
// may end it, in a program that runs one launch from a file and prints the arguments' bytes after it.
#pragma once

#define EMULATOR_EXPORT extern "C" __attribute__((visibility("default")))

EMULATOR_EXPORT const char* emulator_signature(int number) {
    static std::string codes;
    codes = kernels[number].signature();
    return codes.c_str();
}

EMULATOR_EXPORT int emulator_launch(int number, const emulator::Launch* launch, void** args,
                                    char* message, size_t capacity) {
    return emulator::launch(*launch, args, kernels[number].call, message, capacity);
}

#ifdef __SANITIZE_ADDRESS__
int main(int argc, char** argv) {
    const int number = atoi(argv[1]);
    if (argc < 3) return puts(emulator_signature(number)) < 0;
    FILE* file = fopen(argv[2], "rb");
    const auto read = [file](void* to, size_t size) {
        if (fread(to, 1, size, file) != size) abort();
    };
    emulator::Launch launch;
    unsigned long long count, head[2];  // of an argument: whether it is an array, its bytes
    read(&launch, sizeof launch), read(&count, sizeof count);
    std::vector<char*> memory(count);
    std::vector<size_t> sizes(count);
    std::vector<void*> args(count);
    for (size_t i = 0; i < count; ++i) {
        read(head, sizeof head);
        sizes[i] = head[1];
        memory[i] = static_cast<char*>(malloc(sizes[i]));  // no byte more than the array has
        read(memory[i], sizes[i]);
        args[i] = head[0] ? static_cast<void*>(&memory[i]) : memory[i];
    }
    fclose(file);
    char message[2048];
    if (emulator_launch(number, &launch, args.data(), message, sizeof message))
        return fprintf(stderr, "%s\n", message), 1;
    for (size_t i = 0; i < count; ++i) fwrite(memory[i], 1, sizes[i], stdout);
    return fflush(stdout);
}
#endif
