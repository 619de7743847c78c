# Python loads this before anything else where PYTHONPATH says so. It gives versions of the AWS CLI and boto3 that are older than the
# variable AWS_ENDPOINT_URL what newer ones do by themselves: clients without an endpoint of their own get the one that it names, or
# AWS_ENDPOINT_URL_SERVICE before it. The AWS CLI 2 has a botocore of its own, so that the module is changed when it is loaded.
import importlib.machinery
import os
import sys


def heed(session):
    make = session.Session.create_client

    def create_client(self, service_name, *args, **named):
        if len(args) < 5 and named.get("endpoint_url") is None:
            own = "AWS_ENDPOINT_URL_" + service_name.upper().replace("-", "_")
            named["endpoint_url"] = os.environ.get(own) or os.environ.get("AWS_ENDPOINT_URL") or None
        return make(self, service_name, *args, **named)

    session.Session.create_client = create_client


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in ("botocore.session", "awscli.botocore.session"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            heed(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
