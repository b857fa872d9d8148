"""The plugins that apf ships: one plugin, one module."""
