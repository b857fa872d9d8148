"""A small HTTP(S) server for tests."""

from localcloud.httpserver import Answer, HttpServer, Reply, Request, as_json, free_port_nobody_listens_on

__all__ = ["Answer", "HttpServer", "Reply", "Request", "as_json", "free_port_nobody_listens_on"]
