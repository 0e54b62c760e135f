// Feeds a fuzz target with the files of the directories it is given, once each: what was found stays found.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void replay(const std::filesystem::path& path)
{
    std::ifstream file{path, std::ios::binary};
    const std::string input{std::istreambuf_iterator<char>{file}, {}};
    std::printf("%s\n", path.c_str());  // the last one named is the one that fails
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv)
{
    int replayed = 0;
    for (int i = 1; i < argc; ++i)
        for (const auto& entry : std::filesystem::recursive_directory_iterator{argv[i]}) {
            replay(entry.path());
            ++replayed;
        }
    std::printf("%d inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}
