# Writes TARGET, a source that holds the commit of ROOT; touches it only when the commit is another one.
cmake_minimum_required(VERSION 3.25)
set(commit unknown)
find_program(GIT git)
if(GIT AND EXISTS "${ROOT}/.git")
  execute_process(COMMAND "${GIT}" -c "safe.directory=*" -C "${ROOT}" rev-parse --short=10 HEAD
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
  if(result EQUAL 0 AND found MATCHES "^[0-9a-f]+$")
    set(commit "${found}")
  endif()
endif()
file(CONFIGURE OUTPUT "${TARGET}" @ONLY CONTENT [[
namespace route {
extern const char* const built_commit;
const char* const built_commit = "@commit@";
}  // namespace route
]])
