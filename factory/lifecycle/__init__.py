"""How a VM joins, ages, retires, comes back and is removed. Pure."""
