#pragma once

#include <string>

#include "storage/repository.hpp"

namespace route::storage {

// What is said of a taken unique key: names, never the key itself.

inline StorageError upstream_name_taken(const std::string& name)
{
    return {StorageError::Kind::conflict, "the name \"" + name + "\" is taken by another upstream"};
}

inline StorageError upstream_taken()
{
    return {StorageError::Kind::conflict, "there is an upstream with this sk and endpoint"};
}

inline StorageError upstream_gone(std::int64_t id)
{
    return {StorageError::Kind::conflict, "upstream " + std::to_string(id) + " was removed meanwhile"};
}

inline StorageError key_name_taken(const std::string& name)
{
    return {StorageError::Kind::conflict, "the name \"" + name + "\" is taken by another client key"};
}

inline StorageError key_taken()
{
    return {StorageError::Kind::conflict, "there is a client key with this value"};
}

}  // namespace route::storage
