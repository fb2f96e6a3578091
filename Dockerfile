# cortexclip with exactly the versions of constraints.txt:
#   docker build --tag cortexclip .
#   docker run --rm --volume "$PWD:/data" cortexclip run FILE
FROM python:3.11-slim-bookworm
COPY . /opt/cortexclip
RUN python -m pip install --no-cache-dir --constraint /opt/cortexclip/constraints.txt "/opt/cortexclip[slurm]" \
 && rm -rf /opt/cortexclip/build \
 && cortexclip --version
# The container may run as any user (--user "$(id -u):$(id -g)"), who then has no name and no home in it.
ENV USER=cortexclip HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache
WORKDIR /data
ENTRYPOINT ["cortexclip"]
CMD ["--help"]
