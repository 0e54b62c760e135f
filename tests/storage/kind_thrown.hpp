#pragma once

#include <functional>

#include "storage/repository.hpp"
#include "tests/support/catch.hpp"

namespace route::test {

/// Of the StorageError that `function` throws; fails when it throws none.
inline storage::StorageError::Kind kind_thrown(const std::function<void()>& function)
{
    try {
        function();
    } catch (const storage::StorageError& error) {
        return error.kind();
    }
    FAIL("nothing was thrown");
    return {};
}

}  // namespace route::test
